package controller

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/api/v1alpha1/applyconfiguration"
)

const (
	port1 = "tcp://192.0.2.1:4420"
	port2 = "tcp://192.0.2.2:4420"
)

var noon = time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)

// works is maintenance of port 1, made at noon, for an hour.
func works(change ...func(*v1alpha1.NVMePathMaintenance)) *v1alpha1.NVMePathMaintenance {
	m := &v1alpha1.NVMePathMaintenance{
		ObjectMeta: metav1.ObjectMeta{Name: "port-1", CreationTimestamp: metav1.Time{Time: noon}, Generation: 1},
		Spec:       v1alpha1.NVMePathMaintenanceSpec{Address: port1, Reason: "firmware", RequestedBy: "jane", Duration: "1h"},
	}
	for _, c := range change {
		c(m)
	}
	return m
}

func over(m *v1alpha1.NVMePathMaintenance) { m.Spec.Ended, m.Generation = true, 2 }

// reaching is a path set whose node says this of its path to port 1: [usable]
// [STATE [NAME [MESSAGE]]].
func reaching(volume, node, says string, more ...func(*v1alpha1.PathStatus)) v1alpha1.NVMePathSet {
	p := v1alpha1.PathStatus{Address: port1, Expected: true}
	words := strings.Fields(says)
	if p.Usable = strings.HasPrefix(says, "usable"); p.Usable {
		words = words[1:]
	}
	if len(words) > 0 {
		words = append(words, "", "")
		p.Maintenance = &v1alpha1.PathMaintenance{State: v1alpha1.MaintenanceState(words[0]), Name: words[1], Message: words[2]}
	}
	for _, m := range more {
		m(&p)
	}
	set := staged(volume, node)
	set.Spec.Addresses = []string{port1, port2}
	set.Status.Paths = []v1alpha1.PathStatus{p, {Address: port2, Expected: true, Usable: true}}
	return *set
}

func unasked(p *v1alpha1.PathStatus) { p.Expected = false }

func bound(p *v1alpha1.PathStatus) { p.Address += " from 192.0.2.9%eth1" }

// TestSummary: nothing is drained that its node does not say is, nor back.
func TestSummary(t *testing.T) {
	unseen := staged("a", "n1")
	unseen.Spec.Addresses = []string{port1, port2}
	for name, tc := range map[string]struct {
		m    *v1alpha1.NVMePathMaintenance
		sets []v1alpha1.NVMePathSet
		late time.Duration
		want string
	}{
		"no path": {works(), nil, 0, "0/0 refused 0 usable 0, Drained True/NoPaths: no path of any volume leads there"},
		"not seen yet": {works(), []v1alpha1.NVMePathSet{reaching("a", "n1", "usable")}, 0,
			"0/1 refused 0 usable 1, Drained False/Draining: 0 of 1 paths drained; waiting for a-on-n1 on n1"},
		"usable, whatever its node says": {works(), []v1alpha1.NVMePathSet{reaching("a", "n1", "usable Drained port-1")}, 0,
			"0/1 refused 0 usable 1, Drained False/Draining: 0 of 1 paths drained; waiting for a-on-n1 on n1"},
		"down by chance": {works(), []v1alpha1.NVMePathSet{reaching("a", "n1", "")}, 0,
			"0/1 refused 0 usable 0, Drained False/Draining: 0 of 1 paths drained; waiting for a-on-n1 on n1"},
		"being staged, nothing said": {works(), []v1alpha1.NVMePathSet{*unseen}, 0,
			"0/1 refused 0 usable 0, Drained False/Draining: 0 of 1 paths drained; waiting for a-on-n1 on n1"},
		"drained": {works(), []v1alpha1.NVMePathSet{reaching("a", "n1", "Drained port-1"), reaching("b", "n2", "Drained", bound)}, 0,
			"2/2 refused 0 usable 0, Drained True/Drained: 2 of 2 paths drained"},
		"somebody else's path": {works(), []v1alpha1.NVMePathSet{reaching("a", "n1", "usable Refused port-1 foreign", unasked)}, 0,
			"0/1 refused 1 usable 1, Drained False/Refused: 0 of 1 paths drained; refused for a-on-n1 on n1: foreign"},
		"refused and waiting": {works(), []v1alpha1.NVMePathSet{
			reaching("c", "n1", "usable Refused port-1 last"), reaching("b", "n1", "usable Refused port-1 last"),
			reaching("a", "n1", "Drained port-1"), reaching("d", "n1", "usable Draining port-1 disk"),
		}, 0, "1/4 refused 2 usable 3, Drained False/Refused: 1 of 4 paths drained; refused for b-on-n1 on n1: last, and 1 more; waiting for d-on-n1 on n1: disk"},
		"of one node": {works(func(m *v1alpha1.NVMePathMaintenance) { m.Spec.NodeNames = []string{"n2"} }),
			[]v1alpha1.NVMePathSet{reaching("a", "n1", "usable"), reaching("b", "n2", "Drained port-1")}, 0,
			"1/1 refused 0 usable 0, Drained True/Drained: 1 of 1 paths drained"},
		"returning": {works(over), []v1alpha1.NVMePathSet{reaching("a", "n1", "usable"), reaching("b", "n1", "Returning port-1")}, 0,
			"0/2 refused 0 usable 1, Drained False/Ended: the maintenance is over: paths are brought back, Returned False/Returning: 1 of 2 paths usable; not known to be back for b-on-n1 on n1"},
		"over by the clock": {works(), []v1alpha1.NVMePathSet{reaching("a", "n1", "Drained port-1")}, time.Hour,
			"1/1 refused 0 usable 0, Drained False/Ended: the maintenance is over: paths are brought back, Returned False/Returning: 0 of 1 paths usable; not known to be back for a-on-n1 on n1"},
		"refused to the end, its node has not heard of that": {works(over), []v1alpha1.NVMePathSet{reaching("a", "n1", "usable Refused port-1 last")}, 0,
			"0/1 refused 1 usable 1, Drained False/Ended: the maintenance is over: paths are brought back, Returned False/Returning: 1 of 1 paths usable; not known to be back for a-on-n1 on n1"},
		"returned": {works(over), []v1alpha1.NVMePathSet{reaching("a", "n1", "usable"), reaching("b", "n1", "usable Refused port-2 last"), reaching("c", "n1", "", unasked)}, 0,
			"0/3 refused 1 usable 2, Drained False/Ended: the maintenance is over: paths are brought back, Returned True/Returned: 2 of 3 paths usable"},
	} {
		s := summary(tc.m, surveyOf(tc.m, tc.sets), noon.Add(tc.late))
		got := sketch(s)
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if !s.Until.Equal(&metav1.Time{Time: noon.Add(time.Hour)}) {
			t.Errorf("%s: until %s", name, s.Until)
		}
		for _, c := range s.Conditions {
			if c.ObservedGeneration != tc.m.Generation {
				t.Errorf("%s: %s is of generation %d, want %d", name, c.Type, c.ObservedGeneration, tc.m.Generation)
			}
		}
	}
}

func sketch(s v1alpha1.NVMePathMaintenanceStatus) string {
	text := fmt.Sprintf("%d/%d refused %d usable %d", s.DrainedPaths, s.Paths, s.RefusedPaths, s.UsablePaths)
	for _, c := range s.Conditions {
		text += fmt.Sprintf(", %s %s/%s: %s", c.Type, c.Status, c.Reason, c.Message)
	}
	return text
}

// TestMaintenances plays one against an API in memory: each change is written
// once, and when all is back nothing is any more.
func TestMaintenances(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	writes, clock := 0, noon
	c := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha1.NVMePathSet{}, &v1alpha1.NVMePathMaintenance{}).
		WithIndex(&v1alpha1.NVMePathSet{}, targetIndex, targets).WithObjects(works()).
		WithTypeConverters(applyconfiguration.NewTypeConverter(scheme), managedfields.NewDeducedTypeConverter()).
		WithInterceptorFuncs(interceptor.Funcs{
			SubResourceApply: func(ctx context.Context, c client.Client, sub string, ac runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption) error {
				writes++
				return c.SubResource(sub).Apply(ctx, ac, opts...)
			},
		}).Build()
	m := &Maintenances{Client: c, Now: func() time.Time { return clock }}
	says := func(what string) {
		t.Helper()
		set := reaching("a", "n1", what)
		status := set.Status
		if err := client.IgnoreAlreadyExists(c.Create(t.Context(), &set)); err != nil {
			t.Fatal(err)
		}
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(&set), &set); err != nil {
			t.Fatal(err)
		}
		set.Status = status
		if err := c.Status().Update(t.Context(), &set); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		name   string
		do     func()
		want   string // of the conditions
		writes int
		again  time.Duration
	}{
		{"nothing said", func() { says("usable") }, "Drained=False/Draining", 1, time.Hour},
		{"drained", func() { says("Drained port-1"); clock = clock.Add(time.Minute) }, "Drained=True/Drained", 1, 59 * time.Minute},
		{"in need", func() { says("usable Refused port-1 last") }, "Drained=False/Refused", 1, 59 * time.Minute},
		{"over", func() { says("Drained port-1"); clock = noon.Add(time.Hour) }, "Drained=False/Ended Returned=False/Returning", 1, 0},
		{"back", func() { says("usable") }, "Drained=False/Ended Returned=True/Returned", 1, 0},
		{"lost later on", func() { says("") }, "Drained=False/Ended Returned=True/Returned", 0, 0},
	} {
		step.do()
		writes = 0
		for range 2 { // the second time there is nothing to write
			res, err := m.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Name: "port-1"}})
			if err != nil || res.RequeueAfter != step.again {
				t.Fatalf("%s: again after %s, want %s; %v", step.name, res.RequeueAfter, step.again, err)
			}
		}
		var one v1alpha1.NVMePathMaintenance
		if err := c.Get(t.Context(), client.ObjectKey{Name: "port-1"}, &one); err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, c := range one.Status.Conditions {
			got += fmt.Sprintf(" %s=%s/%s", c.Type, c.Status, c.Reason)
		}
		if got != " "+step.want || writes != step.writes {
			t.Errorf("%s:%s after %d writes, want %s after %d", step.name, got, writes, step.want, step.writes)
		}
	}
	if _, err := m.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Name: "gone"}}); err != nil {
		t.Errorf("one that is gone: %v", err)
	}
}

// TestWhatWakesMaintenances: paths that come, go or change, where they lead.
func TestWhatWakesMaintenances(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	other, done := works(), works()
	other.Name, other.Spec.Address = "port-3", "tcp://192.0.2.3:4420"
	done.Name = "done"
	done.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReturned, Status: metav1.ConditionTrue}}
	m := &Maintenances{Client: fake.NewClientBuilder().WithScheme(scheme).WithObjects(works(), other, done).Build()}
	set, elsewhere := reaching("a", "n1", "usable", bound), reaching("a", "n1", "usable")
	elsewhere.Status.Paths = elsewhere.Status.Paths[1:]
	for name, tc := range map[string]struct {
		sets []client.Object
		want []string
	}{
		"a path to port 1":            {[]client.Object{&set}, []string{"port-1"}},
		"a path that led to port 1":   {[]client.Object{&set, &elsewhere}, []string{"port-1"}},
		"paths that lead elsewhere":   {[]client.Object{&elsewhere}, nil},
		"asked for, and nothing said": {[]client.Object{&v1alpha1.NVMePathSet{Spec: set.Spec}}, []string{"port-1"}},
	} {
		q := &noted{}
		m.concerned(t.Context(), q, tc.sets...)
		if diff := cmp.Diff(tc.want, q.names); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	drained := reaching("a", "n1", "Drained port-1")
	same := reaching("a", "n1", "usable", bound)
	same.Status.HostNQN = nqnA
	if !pathChanges(event.UpdateEvent{ObjectOld: &set, ObjectNew: &drained}) || pathChanges(event.UpdateEvent{ObjectOld: &set, ObjectNew: &same}) {
		t.Error("a path that changes does not wake, or something else does")
	}
}

// noted is a queue that notes what is put into it.
type noted struct {
	workqueue.TypedRateLimitingInterface[reconcile.Request]
	names []string
}

func (n *noted) AddAfter(r reconcile.Request, _ time.Duration) { n.names = append(n.names, r.Name) }
