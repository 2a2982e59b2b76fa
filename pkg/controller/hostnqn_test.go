package controller

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/managedfields"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/api/v1alpha1/applyconfiguration"
)

const (
	nqnA = "nqn.2014-08.org.nvmexpress:uuid:0b1d0000-0000-4000-8000-00000000000a"
	nqnB = "nqn.2014-08.org.nvmexpress:uuid:0b1d0000-0000-4000-8000-00000000000b"
)

// presenting is a path set whose node presents a host NQN.
func presenting(volume, node, hostNQN string) *v1alpha1.NVMePathSet {
	ps := staged(volume, node)
	ps.Status.HostNQN = hostNQN
	return ps
}

// TestHostNQNs lets path sets come, change and go, and wants each to have a
// verdict, written once.
func TestHostNQNs(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	writes := 0
	c := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha1.NVMePathSet{}).
		WithIndex(&v1alpha1.NVMePathSet{}, hostIndex, hostNQN).
		WithTypeConverters(applyconfiguration.NewTypeConverter(scheme), managedfields.NewDeducedTypeConverter()).
		WithInterceptorFuncs(interceptor.Funcs{
			SubResourceApply: func(ctx context.Context, c client.Client, sub string, ac runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption) error {
				writes++
				return c.SubResource(sub).Apply(ctx, ac, opts...)
			},
		}).Build()
	h := &HostNQNs{Client: c, Now: time.Now}
	present := func(volume, node, hostNQN string) {
		t.Helper()
		ps := presenting(volume, node, "")
		if err := client.IgnoreAlreadyExists(c.Create(t.Context(), ps)); err != nil {
			t.Fatal(err)
		}
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(ps), ps); err != nil {
			t.Fatal(err)
		}
		ps.Status.HostNQN = hostNQN
		if err := c.Status().Update(t.Context(), ps); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		name   string
		do     func()
		wakes  []string // the host NQNs that this asks about
		want   []string
		writes int
	}{
		{"one node", func() { present("a", "n1", nqnA); present("b", "n1", nqnA) }, []string{nqnA},
			[]string{"a-on-n1 True/Healthy", "b-on-n1 True/Healthy"}, 2},
		{"another one with its own", func() { present("c", "n2", nqnB) }, []string{nqnB},
			[]string{"a-on-n1 True/Healthy", "b-on-n1 True/Healthy", "c-on-n2 True/Healthy"}, 1},
		{"which becomes the same", func() { present("c", "n2", nqnA) }, []string{nqnB, nqnA},
			[]string{"a-on-n1 False/DuplicateHostNQN n2", "b-on-n1 False/DuplicateHostNQN n2", "c-on-n2 False/DuplicateHostNQN n1"}, 3},
		{"a third one: nobody else's message changes", func() { present("d", "n3", nqnA) }, []string{nqnA},
			[]string{"a-on-n1 False/DuplicateHostNQN n2", "b-on-n1 False/DuplicateHostNQN n2", "c-on-n2 False/DuplicateHostNQN n1", "d-on-n3 False/DuplicateHostNQN n1"}, 1},
		{"the third one presents nothing", func() { present("d", "n3", "") }, []string{nqnA, ""},
			[]string{"a-on-n1 False/DuplicateHostNQN n2", "b-on-n1 False/DuplicateHostNQN n2", "c-on-n2 False/DuplicateHostNQN n1", "d-on-n3"}, 1},
		{"the second one goes", func() {
			if err := c.Delete(t.Context(), presenting("c", "n2", "")); err != nil {
				t.Fatal(err)
			}
		}, []string{nqnA}, []string{"a-on-n1 True/Healthy", "b-on-n1 True/Healthy", "d-on-n3"}, 2},
	} {
		step.do()
		writes = 0
		for range 2 { // the second time there is nothing to write
			for _, nqn := range step.wakes {
				if _, err := h.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Name: nqn}}); err != nil {
					t.Fatalf("%s: %v", step.name, err)
				}
			}
		}
		if diff := cmp.Diff(step.want, verdicts(t, c)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
		if writes != step.writes {
			t.Errorf("%s: %d writes, want %d", step.name, writes, step.writes)
		}
	}
}

// verdicts are the path sets with what is said of their host NQNs, and the node
// that the message names.
func verdicts(t *testing.T, c client.Client) []string {
	t.Helper()
	var sets v1alpha1.NVMePathSetList
	if err := c.List(t.Context(), &sets); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, ps := range sets.Items {
		says := ps.Name
		for _, c := range ps.Status.Conditions {
			says += fmt.Sprintf(" %s/%s", c.Status, c.Reason)
			var other string
			if n, _ := fmt.Sscanf(c.Message, "node %s presents", &other); n == 1 {
				says += " " + other
			}
		}
		all = append(all, says)
	}
	slices.Sort(all)
	return all
}

func TestWhatAHostNQNWakesFor(t *testing.T) {
	judged := presenting("a", "n1", nqnA)
	judged.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionHostNQNUnique, Status: metav1.ConditionTrue}}
	for _, tc := range []struct {
		name    string
		old, is *v1alpha1.NVMePathSet
		want    bool
	}{
		{"counters alone", presenting("a", "n1", nqnA), presenting("a", "n1", nqnA), false},
		{"connected", presenting("a", "n1", ""), presenting("a", "n1", nqnA), true},
		{"another host NQN", presenting("a", "n1", nqnA), presenting("a", "n1", nqnB), true},
		{"somebody took the condition away", judged, presenting("a", "n1", nqnA), true},
	} {
		if got := hostChanges(event.UpdateEvent{ObjectOld: tc.old, ObjectNew: tc.is}); got != tc.want {
			t.Errorf("%s: %t", tc.name, got)
		}
	}
}
