package multipath

import (
	"context"
	"fmt"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/nvme"
)

// Permit says why something must not be done to a path now; nil: it may be. It
// is asked under the subsystem's lock, with what was seen a moment ago, and must
// be quick.
type Permit func(*PathSet, *Subsystem) error

// lever begins to do something to a controller of a subsystem, and returns what
// waits for the end of it, also several times.
type lever func(*Subsystem, Controller) (wait func(context.Context) error, err error)

// pull does something to the controller of a volume's path and waits for the end
// of it; if ctx ends first the kernel goes on with it. key is the path's in the
// ledger.
//
// It is done to controllers that Braid connected only, and not while anything is
// done to another one of the subsystem: ErrBusy. No lock is held while the kernel
// is at it.
//
//	lock -> look -> permitted? --no--> its error
//	                    |
//	                   yes -> the kernel begins -> unlock -> wait
func (l *Layer) pull(ctx context.Context, what, volumeID, key string, permit Permit, do lever) error {
	wait, err := l.beginPull(ctx, what, volumeID, key, permit, do)
	if err == nil {
		err = wait(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", what, key, err)
	}
	return nil
}

func (l *Layer) beginPull(ctx context.Context, what, volumeID, key string, permit Permit, do lever) (wait func(context.Context) error, err error) {
	l.mu.Lock()
	v := l.volumes[volumeID]
	l.mu.Unlock()
	if v == nil {
		return nil, fmt.Errorf("%w: volume %s", ErrNotStaged, volumeID)
	}
	unlock, err := l.subsystems.lock(ctx, v.SubsystemNQN)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := l.look(ctx); err != nil {
		return nil, err
	}
	s := l.seen.Load().Subsystem(v.SubsystemNQN)
	set := l.Snapshot().PathSet(volumeID)
	c := controllerOf(set, s, key)
	switch {
	case c == nil:
		return nil, fmt.Errorf("%w: volume %s has no controller there", ErrNotStaged, volumeID)
	case c.Owner != Owner:
		return nil, fmt.Errorf("%w: Braid did not connect %s", ErrConflict, c.Name)
	}
	if err := permit(set, s); err != nil {
		return nil, err
	}
	if !l.markPulled(v.SubsystemNQN) {
		return nil, fmt.Errorf("%w: something is being done to another controller of the subsystem", ErrBusy)
	}
	wait, err = do(s, *c)
	if err != nil {
		l.unmarkPulled(v.SubsystemNQN)
		return nil, err
	}
	klog.FromContext(ctx).Info("Remediation of a path has begun", "step", what, "subsystemNQN", v.SubsystemNQN, "controller", c.Name, "address", key)
	go func() {
		_ = wait(context.Background()) // whoever asked has the answer, if still there
		l.unmarkPulled(v.SubsystemNQN)
		l.lookSoon()
	}()
	return wait, nil
}

// controllerOf returns the controller of a set's path, or nil.
func controllerOf(set *PathSet, s *Subsystem, key string) *Controller {
	if set == nil || s == nil {
		return nil
	}
	for i := range set.Paths {
		if p := &set.Paths[i]; p.Key == key && p.Controller != "" {
			return s.Controller(p.Controller)
		}
	}
	return nil
}

// markPulled notes that something is being done to a controller of a subsystem,
// unless something is already.
func (l *Layer) markPulled(nqn nvme.NQN) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pulled[nqn] {
		return false
	}
	l.pulled[nqn] = true
	return true
}

func (l *Layer) unmarkPulled(nqn nvme.NQN) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pulled, nqn)
}
