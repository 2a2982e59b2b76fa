package multipath

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

const (
	// MaxMaintenance is the longest that maintenance may take: what is forgotten
	// must not hide a fault for ever.
	MaxMaintenance = 7 * 24 * time.Hour
	// returnTime is for how long after its end paths may be on their way back.
	returnTime = 30 * time.Second
)

// Maintenance is planned work on an address of targets, such as a port. While it
// lasts no path to it is connected where there is another one, and that they are
// missing is no finding. What is at fault beside it is.
//
//	            drained              ends, or Until passes
//	(nothing) ----------> going on ------------------------> returning --> (nothing)
//	                      not connected                      connected      all are back,
//	                                                                        or 30 s later
type Maintenance struct {
	// Address is the target's; the host's end of it is left open.
	Address nvme.TransportID `json:"address"`
	// By is who asked for it, Reason why: printable, for people.
	By     string `json:"by"`
	Reason string `json:"reason"`
	// Request names what asked for it where that was not a person on the node.
	Request string    `json:"request,omitempty"`
	Since   time.Time `json:"since"`
	// Until is when it ends, or ended for good where it is Returning.
	Until     time.Time `json:"until"`
	Returning bool      `json:"returning,omitempty"`
}

// Drain begins maintenance, or goes on with it: it takes down the controllers
// that lead to the address and were connected by Braid, while their targets still
// answer, so that nothing fails over. A controller that is not live carries no I/O
// and is left to the kernel.
//
// Nothing is changed, and the error wraps ErrLastPath, if any namespace of those
// controllers, a staged volume's or not, would have no usable path left; or
// ErrUnfit, if the far end of one is silent. To take such a controller down would
// stall all that has I/O on it for as long as the kernel waits for an answer; left
// alone it is soon given up, and then there is nothing to drain.
func (l *Layer) Drain(ctx context.Context, m Maintenance) error {
	m.Since = l.now()
	if err := m.check(); err != nil {
		return err
	}
	obs, err := l.engine.Observe(ctx)
	if err != nil {
		return err
	}
	for i := range obs.Subsystems {
		if err := l.canLeave(ctx, &obs.Subsystems[i], m.Address); err != nil {
			return err
		}
	}
	if err := l.amend(func(all map[nvme.TransportID]Maintenance) { all[m.Address] = m }); err != nil {
		return err
	}
	var errs []error
	for _, nqn := range l.reachedBy(m.Address) {
		errs = append(errs, l.drain(ctx, nqn, m.Address))
	}
	return errors.Join(append(errs, l.look(ctx))...)
}

// check tells what is wrong with what was asked for.
func (m Maintenance) check() error {
	if m.Address.Transport != nvme.TransportTCP || m.Address.HostIface != "" || m.Address.HostTrAddr != "" {
		return fmt.Errorf("%w: address: %s is not the address of a target", ErrInvalid, m.Address)
	}
	if d := m.Until.Sub(m.Since); d <= 0 || d > MaxMaintenance {
		return fmt.Errorf("%w: until: %s from now is not within %s", ErrInvalid, d.Round(time.Second), MaxMaintenance)
	}
	if err := ledger.CheckText(m.By, m.Reason); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return nil
}

// leadingTo are the live controllers of Braid's to an address.
func leadingTo(s *Subsystem, address nvme.TransportID) []Controller {
	return slices.DeleteFunc(slices.Clone(s.Controllers), func(c Controller) bool {
		return !address.Reaches(c.Address) || c.Owner != Owner || c.State != nvme.StateLive
	})
}

// canLeave refuses to take down controllers on which a namespace depends, and
// those that would not answer.
func (l *Layer) canLeave(ctx context.Context, s *Subsystem, address nvme.TransportID) error {
	leaving := map[string]bool{}
	for _, c := range leadingTo(s, address) {
		leaving[c.Name] = true
	}
	if len(leaving) == 0 {
		return nil
	}
	if h := s.DependsOn(func(controller string) bool { return leaving[controller] }, s.usable); h != nil {
		return fmt.Errorf("%w: %s of %s has no other usable path than by %s", ErrLastPath, h.Name, s.NQN, address)
	}
	for name, e := range l.Evidence(ctx, s) {
		if leaving[name] && e.Connections == Silent {
			return fmt.Errorf("%w: the far end of %s of %s is silent", ErrUnfit, name, s.NQN)
		}
	}
	return nil
}

// reachedBy are the subsystems of staged volumes that want paths to an address.
func (l *Layer) reachedBy(address nvme.TransportID) []nvme.NQN {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []nvme.NQN
	for _, v := range l.volumes {
		if slices.ContainsFunc(v.expected(), address.Reaches) {
			all = append(all, v.SubsystemNQN)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// drain takes the controllers of one subsystem down.
func (l *Layer) drain(ctx context.Context, nqn nvme.NQN, address nvme.TransportID) error {
	unlock, err := l.subsystems.lock(ctx, nqn)
	if err != nil {
		return err
	}
	defer unlock()
	rests := func(w way) bool { return address.Reaches(w.address) }
	s, err := l.settle(ctx, nqn, l.cancelAttempts(nqn, rests))
	if err != nil || s == nil {
		return err
	}
	if err := l.canLeave(ctx, s, address); err != nil { // as it is by now
		return err
	}
	for _, c := range leadingTo(s, address) {
		if err := l.engine.Disconnect(ctx, c); err != nil {
			return fmt.Errorf("drain %s: %w", c.Name, err)
		}
		klog.FromContext(ctx).Info("Path drained for maintenance", "subsystemNQN", nqn, "controller", c.Name, "address", c.Address.String())
	}
	return nil
}

// Return ends maintenance and waits until every expected path to the address is
// usable again, or ctx ends: the error then wraps ErrNoPath and names those that
// are not. They go on being connected.
func (l *Layer) Return(ctx context.Context, address nvme.TransportID) error {
	m, ok := l.maintenance()[address]
	if !ok {
		return fmt.Errorf("%w: %s", ErrNoMaintenance, address)
	}
	m.Returning, m.Until = true, l.now().Add(returnTime)
	if err := l.amend(func(all map[nvme.TransportID]Maintenance) { all[address] = m }); err != nil {
		return err
	}
	for l.lookSoon(); ; {
		next := l.nextLook()
		absent := notBack(l.Snapshot(), address)
		if len(absent) == 0 {
			return l.amend(func(all map[nvme.TransportID]Maintenance) {
				if all[address].Returning { // else it has begun anew
					delete(all, address)
				}
			})
		}
		select {
		case <-next:
		case <-ctx.Done():
			return fmt.Errorf("%w: %s is not back for %s", ErrNoPath, address, strings.Join(absent, ", "))
		}
	}
}

// notBack are the volumes that miss a path to an address.
func notBack(snap *Snapshot, address nvme.TransportID) []string {
	var volumes []string
	for i := range snap.PathSets {
		set := &snap.PathSets[i]
		if slices.ContainsFunc(set.Paths, func(p Path) bool { return p.Expected && address.Reaches(p.Address) && !p.Usable() }) {
			volumes = append(volumes, set.VolumeID)
		}
	}
	return volumes
}

// Maintenances are those there are, by address.
func (l *Layer) Maintenances() []Maintenance {
	return slices.SortedFunc(maps.Values(l.maintenance()), func(a, b Maintenance) int {
		return cmp.Compare(a.Address.String(), b.Address.String())
	})
}

// maintenance returns what is noted; it is never changed in place.
func (l *Layer) maintenance() map[nvme.TransportID]Maintenance {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.maintained
}

// amend changes what is noted, on disk first.
func (l *Layer) amend(change func(map[nvme.TransportID]Maintenance)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[nvme.TransportID]Maintenance{}
	maps.Copy(all, l.maintained)
	change(all)
	if err := l.store.saveMaintenance(all); err != nil {
		return fmt.Errorf("record maintenance: %w", err)
	}
	l.maintained = all
	return nil
}

// elapse ends maintenance whose time is over, and returns what there is then. One
// that was forgotten has its paths brought back.
func (l *Layer) elapse(ctx context.Context) map[nvme.TransportID]Maintenance {
	l.mu.Lock()
	defer l.mu.Unlock()
	all, now := maps.Clone(l.maintained), l.now()
	for address, m := range all {
		switch {
		case now.Before(m.Until):
			continue
		case m.Returning:
			delete(all, address)
		default:
			m.Returning, m.Until = true, now.Add(returnTime)
			all[address] = m
		}
		klog.FromContext(ctx).Info("Maintenance is over", "address", address.String(), "by", m.By, "reason", m.Reason, "returning", m.Returning)
	}
	if maps.Equal(all, l.maintained) {
		return all
	}
	l.maintained = all
	if err := l.store.saveMaintenance(all); err != nil {
		klog.FromContext(ctx).Error(err, "Maintenance that is over stays on record")
	}
	return all
}

// maintenanceOf returns the maintenance that an address is under, nil for none.
func maintenanceOf(all map[nvme.TransportID]Maintenance, address nvme.TransportID) *Maintenance {
	for _, m := range all {
		if m.Address.Reaches(address) {
			return &m
		}
	}
	return nil
}
