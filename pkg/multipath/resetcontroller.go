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

// ResetController has the kernel set the controller of a volume's path up anew,
// and waits for the end of it, which may take a minute; if ctx ends first the
// kernel goes on with it. key is the path's in the ledger.
//
// It is done to controllers that Braid connected only, and not while another one
// of the subsystem is being reset: ErrBusy. No lock is held while the kernel is
// at it.
//
//	lock -> look -> permitted? --no--> its error
//	                    |
//	                   yes -> the kernel begins -> unlock -> wait
func (l *Layer) ResetController(ctx context.Context, volumeID, key string, permit Permit) error {
	wait, err := l.beginReset(ctx, volumeID, key, permit)
	if err != nil {
		return fmt.Errorf("reset the controller of %s: %w", key, err)
	}
	return wait(ctx)
}

func (l *Layer) beginReset(ctx context.Context, volumeID, key string, permit Permit) (wait func(context.Context) error, err error) {
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
	if !l.markReset(v.SubsystemNQN) {
		return nil, fmt.Errorf("%w: another controller of the subsystem is being reset", ErrBusy)
	}
	wait, err = l.engine.ResetController(*c)
	if err != nil {
		l.unmarkReset(v.SubsystemNQN)
		return nil, err
	}
	klog.FromContext(ctx).Info("Controller is being reset", "subsystemNQN", v.SubsystemNQN, "controller", c.Name, "address", key)
	go func() {
		_ = wait(context.Background()) // whoever asked has the answer, if still there
		l.unmarkReset(v.SubsystemNQN)
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

// markReset notes that a controller of a subsystem is being reset, unless one is
// already.
func (l *Layer) markReset(nqn nvme.NQN) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.resetting[nqn] {
		return false
	}
	l.resetting[nqn] = true
	return true
}

func (l *Layer) unmarkReset(nqn nvme.NQN) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.resetting, nqn)
}
