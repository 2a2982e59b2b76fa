package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/ktesting"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/nvme"
)

func (f *fakeLayer) Maintenances() []multipath.Maintenance {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Collect(maps.Values(f.held))
}

func (f *fakeLayer) Drain(_ context.Context, m multipath.Maintenance) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.did = append(f.did, fmt.Sprintf("drain %s for %s of %s: %s", m.Address.TrAddr, m.Request, m.By, m.Reason))
	if f.drainFails != nil {
		return f.drainFails
	}
	f.hold(m)
	return nil
}

func (f *fakeLayer) Return(_ context.Context, address nvme.TransportID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.did = append(f.did, "return "+address.TrAddr)
	m, ok := f.held[address]
	if !ok {
		return multipath.ErrNoMaintenance
	}
	m.Returning = true
	f.hold(m)
	return nil
}

// hold notes maintenance, with the paths that Braid connected down.
func (f *fakeLayer) hold(m multipath.Maintenance) {
	if f.held == nil {
		f.held = map[nvme.TransportID]multipath.Maintenance{}
	}
	f.held[m.Address] = m
	set := orders()
	for i := range set.Paths {
		if p := &set.Paths[i]; m.Address.Reaches(p.Address) {
			p.Maintenance, p.Name, p.Controller, p.State = &m, "", "", nvme.StateAbsent
		}
	}
	f.snap = &multipath.Snapshot{PathSets: []multipath.PathSet{set}}
}

// back has the first path usable again.
func (f *fakeLayer) back() {
	set := orders()
	m := f.held[set.Paths[0].Address]
	set.Paths[0].Maintenance = &m
	f.snap = &multipath.Snapshot{PathSets: []multipath.PathSet{set}}
}

const firstPath = "tcp://192.0.2.1:4420"

// planned is maintenance of the first path's address, made at noon, for an hour.
func planned(name string, change ...func(*v1alpha1.NVMePathMaintenance)) v1alpha1.NVMePathMaintenance {
	m := v1alpha1.NVMePathMaintenance{
		ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.Time{Time: noon}},
		Spec:       v1alpha1.NVMePathMaintenanceSpec{Address: firstPath, Reason: "firmware", RequestedBy: "jane", Duration: "1h"},
	}
	for _, c := range change {
		c(&m)
	}
	return m
}

// port is a maintainer with a layer.
type port struct {
	*maintainer
	t     *testing.T
	layer *fakeLayer
	clock time.Time
}

func newPort(t *testing.T) *port {
	p := &port{t: t, clock: noon, layer: &fakeLayer{snap: &multipath.Snapshot{PathSets: []multipath.PathSet{orders()}}}}
	p.maintainer = newMaintainer(testNode, func() time.Time { return p.clock })
	return p
}

// look makes one round with what the API has, lets what it begins end, and
// returns what was done, and what is said of the first path: while it was done,
// and then.
func (p *port) look(all ...v1alpha1.NVMePathMaintenance) (did []string, said string) {
	p.t.Helper()
	p.layer.did = nil
	ctx := klog.NewContext(p.t.Context(), ktesting.NewLogger(ktesting.NopTL{}, ktesting.NewConfig()))
	var begun []func()
	p.round(ctx, p.layer, all, func(do func()) { begun = append(begun, do) })
	for _, do := range begun {
		do()
	}
	return p.layer.did, p.says()
}

func (p *port) says() string {
	m := p.asked().of(&p.layer.snap.PathSets[0].Paths[0])
	if m == nil {
		return ""
	}
	return fmt.Sprintf("%s %s: %s", m.Name, m.State, m.Message)
}

// TestMaintain plays a maintenance from its beginning to its end.
func TestMaintain(t *testing.T) {
	p := newPort(t)
	port1 := planned("port-1")
	want := func(when string, did []string, said string, all ...v1alpha1.NVMePathMaintenance) {
		t.Helper()
		gotDid, gotSaid := p.look(all...)
		if diff := cmp.Diff(did, gotDid); diff != "" {
			t.Errorf("%s: done (-want +got):\n%s", when, diff)
		}
		if gotSaid != said {
			t.Errorf("%s: it says %q, want %q", when, gotSaid, said)
		}
	}
	const drain = "drain 192.0.2.1 for port-1 of jane: firmware"
	p.layer.drainFails = fmt.Errorf("%w: nvme0n1", multipath.ErrLastPath)
	const refused = "port-1 Refused: no other usable path: nvme0n1"
	want("refused", []string{drain}, refused, port1)
	want("paused", nil, refused, port1)
	p.clock = p.clock.Add(firstDrainPause)
	want("refused again", []string{drain}, refused, port1)
	p.clock = p.clock.Add(firstDrainPause)
	want("paused for longer", nil, refused, port1)
	p.layer.drainFails = errors.New("no room on the disk")
	p.clock = p.clock.Add(lastDrainPause)
	want("failed", []string{drain}, "port-1 Draining: no room on the disk", port1)
	p.layer.drainFails = nil
	p.clock = p.clock.Add(lastDrainPause)
	want("drained", []string{drain}, "port-1 Drained: ", port1)
	want("at rest", nil, "port-1 Drained: ", port1)

	p.layer.back()
	p.layer.drainFails = fmt.Errorf("%w: nvme0n1", multipath.ErrLastPath)
	want("back in need", []string{drain}, refused, port1)
	p.layer.drainFails = nil
	p.clock = p.clock.Add(lastDrainPause)
	want("drained again", []string{drain}, "port-1 Drained: ", port1)

	longer := planned("longer", func(m *v1alpha1.NVMePathMaintenance) { m.Spec.Duration = "2h" })
	want("prolonged", []string{"drain 192.0.2.1 for longer of jane: firmware"}, "longer Drained: ", port1, longer)
	port1.Spec.Ended = true
	want("the first one ended", nil, "longer Drained: ", port1, longer)
	longer.Spec.Ended = true
	want("all ended", []string{"return 192.0.2.1"}, "longer Returning: ", port1, longer)
	want("returning", nil, "longer Returning: ", port1, longer)
	p.layer.back()
	want("back", nil, "", port1, longer)
}

// TestMaintainBusy: what is said while something is being done, and that it is
// not begun twice.
func TestMaintainBusy(t *testing.T) {
	p := newPort(t)
	p.change(func(all tasks) { all[way("192.0.2.1")] = task{busy: true} })
	if did, said := p.look(planned("port-1")); len(did) != 0 || said != "port-1 Draining: " {
		t.Errorf("busy: %v, %q", did, said)
	}
}

// TestMaintainLeavesAlone: what is not for this node, or not any more, and what
// people on the node have asked for.
func TestMaintainLeavesAlone(t *testing.T) {
	onTheNode := func(p *port) {
		p.layer.hold(multipath.Maintenance{Address: way("192.0.2.1"), By: "root", Reason: "cable", Until: after(60)})
	}
	held := func(p *port) {
		p.layer.hold(multipath.Maintenance{Address: way("192.0.2.1"), By: "jane", Reason: "firmware", Request: "port-1", Until: after(60)})
	}
	const onTheNodeSaid = " Drained: asked for on the node by root: cable"
	for name, tc := range map[string]struct {
		before func(*port)
		all    []v1alpha1.NVMePathMaintenance
		did    []string
		said   string
	}{
		"none":           {},
		"ended":          {all: []v1alpha1.NVMePathMaintenance{planned("x", func(m *v1alpha1.NVMePathMaintenance) { m.Spec.Ended = true })}},
		"over":           {all: []v1alpha1.NVMePathMaintenance{planned("x", func(m *v1alpha1.NVMePathMaintenance) { m.CreationTimestamp.Time = noon.Add(-time.Hour) })}},
		"being deleted":  {all: []v1alpha1.NVMePathMaintenance{planned("x", func(m *v1alpha1.NVMePathMaintenance) { m.DeletionTimestamp = &m.CreationTimestamp })}},
		"another node's": {all: []v1alpha1.NVMePathMaintenance{planned("x", func(m *v1alpha1.NVMePathMaintenance) { m.Spec.NodeNames = []string{"worker-9"} })}},
		"this node's, beside another": {
			all: []v1alpha1.NVMePathMaintenance{planned("x", func(m *v1alpha1.NVMePathMaintenance) { m.Spec.NodeNames = []string{"worker-9", testNode} })},
			did: []string{"drain 192.0.2.1 for x of jane: firmware"}, said: "x Drained: ",
		},
		"no address":      {all: []v1alpha1.NVMePathMaintenance{planned("x", func(m *v1alpha1.NVMePathMaintenance) { m.Spec.Address = "tcp://port-1" })}},
		"no duration":     {all: []v1alpha1.NVMePathMaintenance{planned("x", func(m *v1alpha1.NVMePathMaintenance) { m.Spec.Duration = "soon" })}},
		"on the node":     {before: onTheNode, said: onTheNodeSaid},
		"also there":      {before: onTheNode, all: []v1alpha1.NVMePathMaintenance{planned("x")}, said: onTheNodeSaid},
		"held, no object": {before: held, did: []string{"return 192.0.2.1"}, said: "port-1 Returning: "},
		"held by another name": {
			before: held, all: []v1alpha1.NVMePathMaintenance{planned("x")},
			did: []string{"drain 192.0.2.1 for x of jane: firmware"}, said: "x Drained: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPort(t)
			if tc.before != nil {
				tc.before(p)
			}
			did, said := p.look(tc.all...)
			if diff := cmp.Diff(tc.did, did); diff != "" {
				t.Errorf("done (-want +got):\n%s", diff)
			}
			if said != tc.said {
				t.Errorf("it says %q, want %q", said, tc.said)
			}
		})
	}
}

// unsynced is a cache that has not heard of any object until told is closed.
type unsynced struct {
	cache.Cache
	told chan struct{}
}

func (u *unsynced) GetInformer(ctx context.Context, _ client.Object, options ...cache.InformerGetOption) (cache.Informer, error) {
	var asked cache.InformerGetOptions
	for _, set := range options {
		set(&asked)
	}
	if ptr.Deref(asked.BlockUntilSynced, true) {
		select {
		case <-u.told:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return nil, nil
}

func (u *unsynced) List(context.Context, client.ObjectList, ...client.ListOption) error { return nil }

// TestMaintainKnowsAllFirst: a braid-node that starts while the API server is away
// brings nothing back, for it knows of no maintenance yet; then it does.
func TestMaintainKnowsAllFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := newPort(t), &unsynced{told: make(chan struct{})}
		p.layer.hold(multipath.Maintenance{Address: way("192.0.2.1"), By: "jane", Reason: "firmware", Request: "port-1", Until: after(3600)})
		ctx, stop := context.WithCancel(klog.NewContext(t.Context(), ktesting.NewLogger(ktesting.NopTL{}, ktesting.NewConfig())))
		ended := make(chan error)
		go func() { ended <- p.run(ctx, c, p.layer) }()
		pass := func() {
			<-time.After(2 * roundInterval)
			synctest.Wait()
		}
		pass()
		if len(p.layer.did) > 0 {
			t.Errorf("before it knows of any: %v", p.layer.did)
		}
		close(c.told)
		pass()
		if diff := cmp.Diff([]string{"return 192.0.2.1"}, p.layer.did); diff != "" {
			t.Errorf("once it knows that there is none (-want +got):\n%s", diff)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestMaintainForeign: what Braid did not connect stays, and is no secret.
func TestMaintainForeign(t *testing.T) {
	p := newPort(t)
	p.look(planned("port-1"))
	p.layer.back()
	p.look(planned("port-1"))
	p.layer.back()
	if got, want := p.says(), "port-1 Refused: Braid did not connect it"; got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
}

// TestMaintainUntil: the layer takes no more than a week, whatever the clocks say.
func TestMaintainUntil(t *testing.T) {
	p := newPort(t)
	p.clock = noon.Add(-time.Minute)
	week := planned("week", func(m *v1alpha1.NVMePathMaintenance) { m.Spec.Duration = "168h" })
	p.look(week)
	if got, want := p.layer.held[way("192.0.2.1")].Until, p.clock.Add(multipath.MaxMaintenance); !got.Equal(want) {
		t.Errorf("until %s, want %s", got, want)
	}
}

// TestMaintenanceIsReported: what is done about a path is in its path set, at
// once.
func TestMaintenanceIsReported(t *testing.T) {
	s := newScene(t, newFakeAPI(t, worker("n-1")))
	s.watch(5, orders())
	s.maintainer.change(func(all tasks) { all[way("192.0.2.1")] = task{name: "port-1"} })
	s.watch(1, orders())
	got := s.pathSet("orders").Status.Paths
	want := &v1alpha1.PathMaintenance{Name: "port-1", State: v1alpha1.MaintenanceDraining}
	if diff := cmp.Diff(want, got[0].Maintenance); diff != "" || got[1].Maintenance != nil {
		t.Errorf("(-want +got):\n%s, and of the other path: %+v", diff, got[1].Maintenance)
	}
	s.maintainer.change(func(all tasks) { clear(all) })
	s.watch(1, orders())
	if got := s.pathSet("orders").Status.Paths[0].Maintenance; got != nil {
		t.Errorf("at the end it says %+v", got)
	}
}
