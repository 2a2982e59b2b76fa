package agent

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/nvme"
)

const (
	// drainTimeout bounds one try to drain an address, which takes down one
	// controller after the other; what is left is drained by the next one.
	drainTimeout = 2 * time.Minute
	// returnTimeout is for how long paths are waited for at the end.
	returnTimeout = 30 * time.Second
	// firstDrainPause and lastDrainPause bound the pauses between two tries.
	firstDrainPause = 2 * time.Second
	lastDrainPause  = 30 * time.Second
)

// drainer is the layer, as far as it is about maintenance.
type drainer interface {
	Snapshot() *multipath.Snapshot
	Maintenances() []multipath.Maintenance
	Drain(context.Context, multipath.Maintenance) error
	Return(context.Context, nvme.TransportID) error
}

// maintainer has the layer do what the cluster's NVMePathMaintenances ask of this
// node. It has no memory of its own: what is asked for is drained until it is, and
// what the layer holds in the name of one that is over, or gone, is brought back.
// What was asked for on the node itself is left to those who did.
//
//	asked for: Drain --> refused or not all of it --> pause --> again
//	no more:   Return
//
// Each address has a goroutine while something is done about it, for that may take
// a while, and no other address waits for it.
type maintainer struct {
	node string
	now  func() time.Time

	mu sync.Mutex // guards what follows
	// tasks is never changed in place.
	tasks tasks
}

// tasks are what is asked for, or being done, by address.
type tasks map[nvme.TransportID]task

// task is what is asked for about an address, and what has come of it.
type task struct {
	// name is that of the NVMePathMaintenance; "" when there is none any more.
	name string
	// busy: it is being drained, or brought back.
	busy bool
	// why paths were usable still when the last attempt had ended; refused: it
	// was not meant to change that.
	why     string
	refused bool
	// pause is the one before the next attempt, at next.
	pause time.Duration
	next  time.Time
}

func newMaintainer(node string, now func() time.Time) *maintainer {
	return &maintainer{node: node, now: now, tasks: tasks{}}
}

// run makes its rounds until ctx ends. Nothing is done before all maintenances are
// known: until then it would seem that those the layer holds are gone.
func (m *maintainer) run(ctx context.Context, c cache.Cache, l drainer) error {
	var running sync.WaitGroup
	defer running.Wait()
	if _, err := c.GetInformer(ctx, &v1alpha1.NVMePathMaintenance{}); err != nil {
		return err
	}
	tick := time.NewTicker(roundInterval)
	defer tick.Stop()
	for {
		var all v1alpha1.NVMePathMaintenanceList
		if err := c.List(ctx, &all); err == nil {
			m.round(ctx, l, all.Items, running.Go)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// round looks at each address once, and begins what is to be done.
func (m *maintainer) round(ctx context.Context, l drainer, all []v1alpha1.NVMePathMaintenance, begin func(func())) {
	wanted, held := m.wanted(all), map[nvme.TransportID]multipath.Maintenance{}
	for _, h := range l.Maintenances() {
		held[h.Address] = h
	}
	snap := l.Snapshot()
	if snap == nil {
		return
	}
	m.change(func(t tasks) {
		idle := func(address nvme.TransportID) bool { return !t[address].busy && !m.now().Before(t[address].next) }
		maps.DeleteFunc(t, func(address nvme.TransportID, one task) bool {
			return !one.busy && one.name != wanted[address].Request // what was tried was another one's
		})
		for address, w := range wanted {
			one := t[address]
			one.name = w.Request
			switch {
			case one.busy:
			case rests(w, held[address], snap):
				one = task{name: w.Request}
			case idle(address):
				one.busy = true
				begin(func() { m.drain(ctx, l, w) })
			}
			t[address] = one
		}
		for address, h := range held {
			if wanted[address].Request == "" && h.Request != "" && !h.Returning && idle(address) {
				t[address] = task{busy: true}
				begin(func() { m.giveBack(ctx, l, address) })
			}
		}
	})
}

// wanted is what is asked of this node now, by address. Of several the one that
// ends last counts.
func (m *maintainer) wanted(all []v1alpha1.NVMePathMaintenance) map[nvme.TransportID]multipath.Maintenance {
	wanted, now := map[nvme.TransportID]multipath.Maintenance{}, m.now()
	for i := range all {
		one := &all[i]
		address, err := addressOf(one.Spec.Address)
		var lasts time.Duration
		if err != nil || !duration(&lasts, one.Spec.Duration) || one.Spec.Ended || one.DeletionTimestamp != nil {
			continue
		}
		until := one.CreationTimestamp.Add(lasts)
		if !now.Before(until) || len(one.Spec.NodeNames) > 0 && !slices.Contains(one.Spec.NodeNames, m.node) {
			continue
		}
		// The API server's clock may be ahead.
		if latest := now.Add(multipath.MaxMaintenance); until.After(latest) {
			until = latest
		}
		w := multipath.Maintenance{Address: address, By: one.Spec.RequestedBy, Reason: one.Spec.Reason, Request: one.Name, Until: until}
		if has, ok := wanted[address]; !ok || cmp.Or(until.Compare(has.Until), strings.Compare(w.Request, has.Request)) > 0 {
			wanted[address] = w
		}
	}
	return wanted
}

// rests tells whether there is nothing to do: the layer holds what is asked for,
// and no path leads there; or people on the node have asked for the same.
func rests(w, held multipath.Maintenance, snap *multipath.Snapshot) bool {
	switch {
	case held.Address != w.Address || held.Returning:
		return false
	case held.Request == "":
		return true
	case held.Request != w.Request:
		return false
	}
	return !slices.ContainsFunc(snap.PathSets, func(set multipath.PathSet) bool {
		return slices.ContainsFunc(set.Paths, func(p multipath.Path) bool { return p.Usable() && w.Address.Reaches(p.Address) })
	})
}

// drain has an address drained, and notes what came of it.
func (m *maintainer) drain(ctx context.Context, l drainer, w multipath.Maintenance) {
	limited, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	err := l.Drain(limited, w)
	m.change(func(t tasks) {
		one := t[w.Address]
		one.busy = false
		one.pause = min(max(2*one.pause, firstDrainPause), lastDrainPause)
		one.next = m.now().Add(one.pause)
		one.refused = err == nil || errors.Is(err, multipath.ErrLastPath) || errors.Is(err, multipath.ErrUnfit)
		one.why = "Braid did not connect it" // or it would be down
		if err != nil {
			one.why = err.Error()
		}
		t[w.Address] = one
	})
	if err != nil && ctx.Err() == nil {
		klog.FromContext(ctx).Info("Not drained", "address", w.Address.String(), "maintenance", w.Request, "reason", err)
	}
}

// giveBack ends the maintenance of an address.
func (m *maintainer) giveBack(ctx context.Context, l drainer, address nvme.TransportID) {
	limited, cancel := context.WithTimeout(ctx, returnTimeout)
	defer cancel()
	err := l.Return(limited, address)
	m.change(func(t tasks) {
		delete(t, address)
		if err != nil {
			t[address] = task{next: m.now().Add(lastDrainPause)}
		}
	})
	if err != nil && ctx.Err() == nil && !errors.Is(err, multipath.ErrNoMaintenance) {
		klog.FromContext(ctx).Error(err, "Not all paths are back after maintenance", "address", address.String())
	}
}

// change replaces the tasks by changed ones.
func (m *maintainer) change(how func(tasks)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := maps.Clone(m.tasks)
	how(t)
	m.tasks = t
}

// asked returns the tasks. They are for reading.
func (m *maintainer) asked() tasks {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tasks
}
