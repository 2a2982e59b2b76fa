package controller

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

func TestWhatANodeWakesFor(t *testing.T) {
	p := nodeStateChanges()
	off := node("n1", "node.kubernetes.io/out-of-service")
	for _, tc := range []struct {
		name    string
		old, is *corev1.Node
		want    bool
	}{
		{"a heartbeat", node("n1"), node("n1"), false},
		{"another taint", node("n1"), node("n1", "node.kubernetes.io/unreachable"), false},
		{"out of service", node("n1"), off, true},
		{"still out of service", off, off, false},
		{"in service again", off, node("n1"), true},
	} {
		if got := p.Update(event.UpdateEvent{ObjectOld: tc.old, ObjectNew: tc.is}); got != tc.want {
			t.Errorf("%s: %t", tc.name, got)
		}
	}
	if !p.Delete(event.DeleteEvent{Object: off}) || p.Create(event.CreateEvent{Object: off}) {
		t.Error("a node wakes when it comes, or does not when it goes")
	}
}

// The cache keeps everything that a decision is made from.
func TestCacheKeepsWhatIsNeeded(t *testing.T) {
	n := node("n1", "node.kubernetes.io/out-of-service")
	n.Status.Images = []corev1.ContainerImage{{Names: []string{"large"}}}
	pv := volume("a", uuid)
	pv.Annotations = map[string]string{"note": "long"}
	pv.Finalizers = []string{"kubernetes.io/pv-protection"}
	foreign := volume("b", uuid)
	foreign.Spec.CSI.Driver = "csi.example.com"
	ps := staged("a", "n1")
	ps.Status.Summary = "2/2"
	ps.Status.HostNQN = nqnA
	unique := metav1.Condition{Type: v1alpha1.ConditionHostNQNUnique, Status: metav1.ConditionTrue}
	ps.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue}, unique}
	drained := &v1alpha1.PathMaintenance{Name: "port-1", State: v1alpha1.MaintenanceDrained}
	ps.Status.Paths = []v1alpha1.PathStatus{{Address: "tcp://192.0.2.1:4420", Expected: true, Usable: true, Maintenance: drained, Failovers: &v1alpha1.Count{}}}
	ps.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "braid-node"}}

	slimSet := presenting("a", "n1", nqnA)
	slimSet.Status.Conditions = []metav1.Condition{unique}
	slimSet.Status.Paths = []v1alpha1.PathStatus{{Address: "tcp://192.0.2.1:4420", Expected: true, Usable: true, Maintenance: drained}}
	slimmed := volume("a", uuid)
	slimmed.Finalizers = pv.Finalizers
	for _, tc := range []struct {
		transform func(any) (any, error)
		in, want  client.Object
	}{
		{slim(slimNode), n, node("n1", "node.kubernetes.io/out-of-service")},
		{slim(slimVolume), pv, slimmed},
		{slim(slimVolume), foreign, &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "b"}}},
		{slim(slimPathSet), ps, slimSet},
	} {
		got, err := tc.transform(tc.in)
		if err != nil {
			t.Errorf("%T: %v", tc.in, err)
		}
		if diff := cmp.Diff(any(tc.want), got); diff != "" {
			t.Errorf("%T (-want +got):\n%s", tc.in, diff)
		}
	}
	if _, err := slim(slimNode)(pv); err == nil {
		t.Error("a volume passed for a node")
	}
	if len(cacheOptions().ByObject) != 3 {
		t.Error("a kind is not slimmed by what is tested here")
	}
}

func TestIndexes(t *testing.T) {
	broken, foreign := volume("a", "no-uuid"), attaching("a", "n1")
	foreign.Spec.Attacher = "csi.example.com"
	const key = nqn + " uuid:0c7f3a52000040008000000000000001"
	for _, tc := range []struct {
		object client.Object
		index  string
		want   []string
	}{
		{attaching("a", "n1"), nodeIndex, []string{"n1"}},
		{attaching("a", "n1"), volumeIndex, []string{"a"}},
		{foreign, nodeIndex, nil},
		{volume("a", uuid), namespaceIndex, []string{key}},
		{staged("a", "n1"), namespaceIndex, []string{key}},
		{broken, namespaceIndex, nil},
		{&corev1.PersistentVolume{}, namespaceIndex, nil},
	} {
		found := false
		for _, i := range indexes {
			if reflect.TypeOf(i.object) == reflect.TypeOf(tc.object) && i.name == tc.index {
				found = true
				if diff := cmp.Diff(tc.want, i.value(tc.object)); diff != "" {
					t.Errorf("%T by %s (-want +got):\n%s", tc.object, tc.index, diff)
				}
			}
		}
		if !found {
			t.Errorf("%T has no index %s", tc.object, tc.index)
		}
	}
}
