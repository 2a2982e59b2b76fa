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

// owner is how controllers that Braid connected are signed.
const owner = "braid"

// idleWait is for how long a device may go on being used when it is released:
// udev looks into a device that was just unmounted.
const idleWait = 3 * time.Second

// signWait is for how long an attempt may take to sign what it has connected.
const signWait = 2 * time.Second

// signed returns the subsystem as it is now, once no attempt is about to sign
// a controller that is live already: unsigned it would be left alone.
func (l *Layer) signed(ctx context.Context, nqn nvme.NQN) (*Subsystem, error) {
	for deadline := l.now().Add(signWait); ; {
		obs, err := l.engine.Observe(ctx)
		if err != nil {
			return nil, err
		}
		s := obs.Subsystem(nqn)
		if s == nil || !l.signing(s) || l.now().After(deadline) {
			return s, nil
		}
		timer := time.NewTimer(20 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, context.Cause(ctx)
		}
	}
}

// signing tells whether a live controller is unsigned while an attempt to
// connect its address is running.
func (l *Layer) signing(s *Subsystem) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range s.Controllers {
		if a := l.attempts[way{s.NQN, c.Address}]; c.Owner == "" && c.State == nvme.StateLive && a != nil && a.running() {
			return true
		}
	}
	return false
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
		if c.Owner != owner || slices.Contains(keep, c.Epoch) {
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
