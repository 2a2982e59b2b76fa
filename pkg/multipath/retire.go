package multipath

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/nvme"
)

// retire takes down controllers that the kernel would reconnect for ever to where
// no volume expects a path any more: once all that is expected is there, for until
// then what was there before may come back, or when they are in its way.
func (l *Layer) retire(ctx context.Context, s *Subsystem) error {
	ctx, cancel := context.WithTimeout(ctx, tidyTimeout)
	defer cancel()
	var errs []error
	for _, c := range s.Controllers {
		volumeID, stray := l.stray(s.NQN, c)
		if !stray {
			continue
		}
		err := l.takeDown(ctx, "take down", volumeID, c.Address.String(), func(_ *PathSet, now *Subsystem) error {
			if _, stray := l.stray(now.NQN, c); !stray || !l.complete(now.NQN) && !l.clash(now.NQN) {
				return ErrUnfit
			}
			if h := now.DependsOn(func(controller string) bool { return controller == c.Name }, now.usable); h != nil {
				return fmt.Errorf("%w: %s", ErrLastPath, h.Name)
			}
			return nil
		})
		switch {
		case errors.Is(err, ErrUnfit), errors.Is(err, ErrLastPath), errors.Is(err, ErrBusy), errors.Is(err, ErrNotStaged):
			klog.FromContext(ctx).V(2).Info("A controller stays to which no path is expected", "controller", c.Name, "why", err)
		default:
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// stray tells whether a controller of Braid's is connecting to where no volume
// of the subsystem expects a path, and names one of those volumes.
func (l *Layer) stray(nqn nvme.NQN, c Controller) (volumeID string, stray bool) {
	if c.Owner != Owner || c.State != nvme.StateConnecting {
		return "", false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, v := range l.volumes {
		if v.SubsystemNQN != nqn || v.releasing {
			continue
		}
		if slices.ContainsFunc(v.expected(), func(a nvme.TransportID) bool { return a.Reaches(c.Address) }) {
			return "", false
		}
		volumeID = id
	}
	return volumeID, volumeID != ""
}

// clash tells whether an expected path may not be connected because of another
// controller. Targets give out the IDs of controllers again that they have lost, and
// Linux refuses one whose ID another of the subsystem has, even while that one is
// connecting (EINVAL; nvme_validate_cntlid in drivers/nvme/host/core.c).
func (l *Layer) clash(nqn nvme.NQN) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for w, a := range l.attempts {
		if w.nqn == nqn && errors.Is(a.last, syscall.EINVAL) && l.wants(w) {
			return true
		}
	}
	return false
}

// complete tells whether all paths that are expected to a subsystem are usable.
func (l *Layer) complete(nqn nvme.NQN) bool {
	for _, set := range l.Snapshot().PathSets {
		if set.SubsystemNQN == nqn && expectedUsable(&set) < set.Expected {
			return false
		}
	}
	return true
}
