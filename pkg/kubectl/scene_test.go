package kubectl

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

var update = flag.Bool("update", false, "write the golden files anew")

// noon is now.
var noon = time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)

func before(d time.Duration) *metav1.Time { return &metav1.Time{Time: noon.Add(-d)} }

// newSet is a path set of two usable paths that has counted nothing.
func newSet(namespace, claim, node string) v1alpha1.NVMePathSet {
	name := claim + "-0123456789"
	set := v1alpha1.NVMePathSet{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(node + "/" + name)},
		Spec: v1alpha1.NVMePathSetSpec{
			NodeName: node, VolumeHandle: "shelf1/" + claim, PersistentVolumeName: claim, SubsystemNQN: "nqn.2026-11.com.example:shelf1",
			NamespaceID: v1alpha1.NamespaceID{Type: "uuid", Value: "0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190807"},
			Addresses:   []string{"tcp://192.0.2.2:4420", "tcp://192.0.2.18:4420"},
		},
		Status: v1alpha1.NVMePathSetStatus{
			Summary: "2/2", UsablePaths: 2, ExpectedPaths: 2, Failovers: new(int64),
			HostNQN: "nqn.2014-08.org.nvmexpress:uuid:7d6b4b0a-0000-4000-8000-000000000001",
			Engine:  "native", Device: "nvme0n1", DeviceState: "Present", IOPolicy: "queue-depth", CountersObservedAt: before(7 * time.Second),
			Paths: []v1alpha1.PathStatus{newPath("tcp://192.0.2.2:4420", "nvme0"), newPath("tcp://192.0.2.18:4420", "nvme1")},
		},
	}
	if namespace != "" {
		set.Spec.ClaimRef = &v1alpha1.ClaimReference{Namespace: namespace, Name: claim}
	}
	for _, c := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionAvailable, v1alpha1.ConditionRedundant} {
		condition(&set, c, metav1.ConditionTrue, v1alpha1.ReasonHealthy, "")
	}
	return set
}

func newPath(address, controller string) v1alpha1.PathStatus {
	return v1alpha1.PathStatus{
		Address: address, Expected: true, Usable: true, Controller: controller, ControllerState: "live", ANAState: "optimized",
		CounterSource: "Both", CountedSince: before(time.Hour), Exact: true,
		Failovers: &v1alpha1.Count{}, Retries: &v1alpha1.Count{}, Errors: &v1alpha1.Count{}, Resets: &v1alpha1.Count{}, Reconnects: &v1alpha1.Count{},
	}
}

// condition sets or replaces a condition.
func condition(set *v1alpha1.NVMePathSet, kind string, status metav1.ConditionStatus, reason, message string) {
	c := metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message, LastTransitionTime: *before(14 * time.Minute)}
	for i := range set.Status.Conditions {
		if set.Status.Conditions[i].Type == kind {
			set.Status.Conditions[i] = c
			return
		}
	}
	set.Status.Conditions = append(set.Status.Conditions, c)
}

// cut takes the first path away, after failovers.
func cut(set v1alpha1.NVMePathSet, failovers int64) v1alpha1.NVMePathSet {
	const lost = "1 of 2 paths usable; tcp://192.0.2.2:4420 is down: controller nvme0 is connecting"
	condition(&set, v1alpha1.ConditionReady, metav1.ConditionFalse, "PathRedundancyLost", lost)
	condition(&set, v1alpha1.ConditionRedundant, metav1.ConditionFalse, "PathRedundancyLost", lost)
	set.Status.Summary, set.Status.UsablePaths, set.Status.Failovers = "1/2", 1, &failovers
	p := &set.Status.Paths[0]
	p.Usable, p.ControllerState, p.ANAState, p.ConnectError = false, "connecting", "", "connection refused"
	p.Failovers, p.LastFailoverTime = &v1alpha1.Count{SinceReset: failovers, Lifetime: failovers + 30}, before(14*time.Minute)
	return set
}

// goldenPage compares a page with what people have read.
func goldenPage(t *testing.T, name string, fill func(*page)) {
	t.Helper()
	var out bytes.Buffer
	if err := write(&out, noon, fill); err != nil {
		t.Fatal(err)
	}
	golden(t, name, out.String())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update writes it anew):\n%s", file, diff)
	}
}

// cluster is an API server in memory, to which alice speaks. hook sees what is
// read of remediations, as often as that is, and says what is of maintenances.
type cluster struct {
	client.Client
	hook func(*v1alpha1.NVMePathRemediation)
	says func(*v1alpha1.NVMePathMaintenance)
}

func newCluster(t *testing.T, objects ...client.Object) *cluster {
	t.Helper()
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	known, err := scheme()
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{}
	c.Client = fake.NewClientBuilder().WithScheme(known).WithObjects(objects...).
		WithIndex(&v1alpha1.NVMePathRemediation{}, "spec.pathSet", func(o client.Object) []string {
			return []string{o.(*v1alpha1.NVMePathRemediation).Spec.PathSet}
		}).
		WithIndex(&corev1.Event{}, "involvedObject.uid", func(o client.Object) []string {
			return []string{string(o.(*corev1.Event).InvolvedObject.UID)}
		}).
		WithInterceptorFuncs(interceptor.Funcs{
			Create: func(ctx context.Context, w client.WithWatch, o client.Object, opts ...client.CreateOption) error {
				if who, ok := o.(*authenticationv1.SelfSubjectReview); ok {
					who.Status.UserInfo.Username = "alice"
					return nil
				}
				return w.Create(ctx, o, opts...)
			},
			Get: func(ctx context.Context, w client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
				err := w.Get(ctx, key, o, opts...)
				if r, ok := o.(*v1alpha1.NVMePathRemediation); ok && c.hook != nil {
					c.hook(r)
				}
				if m, ok := o.(*v1alpha1.NVMePathMaintenance); ok && c.says != nil {
					c.says(m)
				}
				return err
			},
		}).Build()
	return c
}

// run is a command line on that cluster, and what it printed.
func (c *cluster) run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	streams, _, out, _ := genericiooptions.NewTestIOStreams()
	p := c.plugin(streams)
	cmd := p.command("test")
	cmd.SetArgs(args)
	err := wording(cmd.ExecuteContext(t.Context()))
	return out.String(), err
}

func (c *cluster) plugin(streams genericiooptions.IOStreams) *plugin {
	p := newPlugin(streams, "test")
	p.connect = func() (client.Client, error) { return c, nil }
	p.now = func() time.Time { return noon }
	p.pause = time.Microsecond
	return p
}
