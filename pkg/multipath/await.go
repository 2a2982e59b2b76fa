package multipath

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
)

const (
	// namespaceWait is for how long a connected subsystem may take to show a
	// namespace before it counts as not there; the kernel scans in the
	// background.
	namespaceWait = 5 * time.Second
	// nodeWait is for how long a device may be without its node.
	nodeWait = 10 * time.Second
)

// await looks until the volume is ready or it is clear that it will not be.
func (l *Layer) await(ctx context.Context, v Volume) (Device, error) {
	tick := time.NewTicker(100 * time.Millisecond) // for what sends no hint: ANA, a missing device node
	defer tick.Stop()
	if err := l.look(ctx); err != nil {
		return Device{}, err
	}
	var s search
	for {
		looked := l.nextLook()
		set := l.Snapshot().PathSet(v.ID)
		if set == nil {
			return Device{}, fmt.Errorf("%w: volume %s was released meanwhile", ErrNotStaged, v.ID)
		}
		if expectedUsable(set) >= v.MinPaths {
			d, err := l.finish(ctx, v)
			if !errors.Is(err, errNoNode) || s.nodeOverdue(l.now()) {
				return d, err
			}
		}
		if err := l.search(ctx, &s, v, set); err != nil {
			return Device{}, err
		}
		select {
		case <-looked:
		case <-tick.C:
			if err := l.look(ctx); err != nil {
				return Device{}, err
			}
		case <-ctx.Done():
			_, why := l.settled(v, set)
			return Device{}, fmt.Errorf("%w: %d of at least %d in time: %s: %w", ErrNoPath, expectedUsable(set), v.MinPaths, why, context.Cause(ctx))
		}
	}
}

// expectedUsable counts the paths that the volume asks for and can use.
func expectedUsable(set *PathSet) int {
	n := 0
	for i := range set.Paths {
		if set.Paths[i].Expected && set.Paths[i].Usable() {
			n++
		}
	}
	return n
}

// search is the looking for a namespace in a subsystem that is connected.
type search struct {
	since     time.Time // when enough controllers were found live
	rescanned bool
	noNode    time.Time // when the device node was first missed
}

// nodeOverdue tells whether the device node has been missing for too long: it
// is made a moment after the device shows in sysfs, and an earlier device's
// node of the same name may still be there.
func (f *search) nodeOverdue(now time.Time) bool {
	if f.noNode.IsZero() {
		f.noNode = now
	}
	return now.Sub(f.noNode) > nodeWait
}

// search returns an error once nothing more can be hoped for: every path was
// tried and too few are live, or enough are and the namespace is in none.
func (l *Layer) search(ctx context.Context, f *search, v Volume, set *PathSet) error {
	settled, why := l.settled(v, set)
	if !settled {
		return nil
	}
	if live(set) < v.MinPaths {
		if l.mayLearn(v, set) {
			return nil
		}
		return fmt.Errorf("%w: %d of at least %d: %s", ErrNoPath, expectedUsable(set), v.MinPaths, why)
	}
	switch now := l.now(); {
	case f.since.IsZero():
		f.since = now
	case !f.rescanned:
		l.rescan(ctx, l.seen.Load().Subsystem(v.SubsystemNQN))
		f.rescanned = true
	case now.Sub(f.since) > namespaceWait && set.Device.Name == "":
		return fmt.Errorf("%w: subsystem %s is connected, but %s is not in it", ErrNoNamespace, v.SubsystemNQN, v.Namespace)
	}
	return nil
}

// live counts the expected paths whose controller is live, with or without the
// namespace.
func live(set *PathSet) int {
	n := 0
	for i := range set.Paths {
		if set.Paths[i].Expected && set.Paths[i].State == nvme.StateLive {
			n++
		}
	}
	return n
}

// settled tells whether every expected path was either connected or has
// failed, and says in words how each stands.
func (l *Layer) settled(v Volume, set *PathSet) (bool, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	settled := true
	var words []string
	for i := range set.Paths {
		p := &set.Paths[i]
		a := l.attempts[way{v.SubsystemNQN, p.Address}]
		switch {
		case p.State == nvme.StateLive && p.Name == "":
			words = append(words, p.Address.String()+": live, without the namespace")
		case p.State != nvme.StateAbsent:
			if p.State == nvme.StateNew || p.State == nvme.StateConnecting || p.State == nvme.StateResetting {
				settled = false
			}
			words = append(words, strings.TrimSpace(fmt.Sprintf("%s: %s %s", p.Address, p.State, p.ANAState)))
		case a != nil && a.last != nil:
			words = append(words, p.Address.String()+": "+a.last.Error())
		default:
			settled = false
			words = append(words, p.Address.String()+": connecting")
		}
	}
	return settled, strings.Join(words, "; ")
}
