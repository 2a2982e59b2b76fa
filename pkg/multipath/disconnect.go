package multipath

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/nvme"
)

// idleWait is for how long a device may go on being used when it is released:
// udev looks into a device that was just unmounted.
const idleWait = 3 * time.Second

// attemptWait is for how long a release waits for connects that nobody wants
// any more. Most end within it; one to a target that accepts and says nothing
// may take minutes, and is tidied up when it ends.
const attemptWait = 2 * time.Second

// settle waits for attempts that were cancelled, which the kernel may be at,
// and returns the subsystem as it is then: with the controllers that they made,
// signed.
func (l *Layer) settle(ctx context.Context, nqn nvme.NQN, cancelled []<-chan struct{}) (*Subsystem, error) {
	late := time.NewTimer(attemptWait)
	defer late.Stop()
	for _, done := range cancelled {
		select {
		case <-done:
			continue
		case <-late.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		break
	}
	obs, err := l.engine.Observe(ctx)
	if err != nil {
		return nil, err
	}
	return obs.Subsystem(nqn), nil
}

// mustBeIdle refuses to take a device from under somebody: data would be lost.
func (l *Layer) mustBeIdle(ctx context.Context, h *Head) error {
	if h == nil {
		return nil
	}
	deadline := l.now().Add(idleWait)
	for {
		user, err := l.engine.InUse(ctx, *h)
		switch {
		case err != nil:
			return err
		case user == "":
			return nil
		case l.now().After(deadline):
			return fmt.Errorf("%w: %s is still mounted, open or held by somebody", ErrBusy, h.Name)
		}
		timer := time.NewTimer(100 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}

// disconnect takes down the subsystem's controllers that are Braid's and not
// to be kept, unless another of its namespaces than but is in use.
func (l *Layer) disconnect(ctx context.Context, s *Subsystem, but *Head, keep []string) error {
	log := klog.FromContext(ctx).WithValues("subsystemNQN", s.NQN)
	others := slices.DeleteFunc(slices.Clone(s.Heads), func(h Head) bool { return but != nil && h.Name == but.Name })
	used, err := l.engine.InUse(ctx, others...)
	if err != nil {
		return err
	}
	if used != "" {
		log.Info("Controllers stay: another namespace is in use", "head", used)
		return nil
	}
	var wait sync.WaitGroup
	errs := make([]error, len(s.Controllers))
	for i, c := range s.Controllers {
		if c.Owner != Owner || slices.Contains(keep, c.Epoch) {
			log.V(2).Info("Controller stays", "controller", c.Name, "owner", c.Owner)
			continue
		}
		wait.Go(func() {
			if errs[i] = l.engine.Disconnect(ctx, c); errs[i] == nil {
				log.Info("Path disconnected", "controller", c.Name, "address", c.Address.String())
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}
