package multipath

import (
	"context"
	"errors"
	"slices"
	"time"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/nvme"
)

const (
	// tidyInterval is the time between two searches for what was left behind.
	tidyInterval = 10 * time.Second
	// tidyTimeout bounds the disconnecting of one subsystem.
	tidyTimeout = 2 * time.Minute
)

// adopt signs the controllers that an earlier run of Braid connected but could
// not sign, because it and its children were killed while the kernel was at
// it: those of a recorded volume's addresses that are not signed and were not
// there before the volume.
func (l *Layer) adopt(ctx context.Context) error {
	obs, err := l.engine.Observe(ctx)
	if err != nil {
		return err
	}
	volumes, _ := l.state()
	for _, v := range volumes {
		for _, w := range pair(v.expected(), obs.Subsystem(v.SubsystemNQN)) {
			c := w.controller
			if !w.expected || c == nil || c.Owner != "" || slices.Contains(v.foreign, c.Epoch) {
				continue
			}
			klog.FromContext(ctx).Info("Taking over a controller that an earlier run connected", "controller", c.Name, "volumeID", v.ID)
			if err := l.engine.Adopt(*c); err != nil {
				return err
			}
		}
	}
	return nil
}

// tidy takes down, now and then and when asked to, what a crash or a failure
// left behind: volumes whose release did not come to its end, and controllers
// of Braid's that no volume wants.
func (l *Layer) tidy(ctx context.Context) {
	tick := time.NewTicker(tidyInterval)
	defer tick.Stop()
	for {
		if err := l.tidyOnce(ctx); err != nil && ctx.Err() == nil {
			klog.FromContext(ctx).Error(err, "Something that nobody wants stays on the node for now")
		}
		select {
		case <-tick.C:
		case <-l.litter:
		case <-ctx.Done():
			return
		}
	}
}

func (l *Layer) tidyOnce(ctx context.Context) error {
	// Braid may have died after a controller had, and the kernel gives some up
	// by itself.
	errs := []error{l.engine.Sweep()}
	volumes, _ := l.state()
	for _, v := range volumes {
		if v.releasing {
			errs = append(errs, l.tidied(ctx, v.SubsystemNQN, func(ctx context.Context) error { return l.finishRelease(ctx, v.ID) }))
		}
	}
	obs, err := l.engine.Observe(ctx)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	for i := range obs.Subsystems {
		s := &obs.Subsystems[i]
		if l.needed(s.NQN, "") {
			errs = append(errs, l.retire(ctx, s))
			continue
		}
		if !slices.ContainsFunc(s.Controllers, func(c Controller) bool { return c.Owner == Owner }) {
			continue
		}
		errs = append(errs, l.tidied(ctx, s.NQN, func(ctx context.Context) error { return l.abandon(ctx, s.NQN) }))
	}
	return errors.Join(errs...)
}

// tidied runs work with the lock of a subsystem, for a limited time.
func (l *Layer) tidied(ctx context.Context, nqn nvme.NQN, work func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, tidyTimeout)
	defer cancel()
	unlock, err := l.subsystems.lock(ctx, nqn)
	if err != nil {
		return err
	}
	defer unlock()
	return work(ctx)
}

// finishRelease ends a release that was begun, unless somebody did meanwhile.
func (l *Layer) finishRelease(ctx context.Context, volumeID string) error {
	l.mu.Lock()
	v := l.volumes[volumeID]
	l.mu.Unlock()
	if v == nil || !v.releasing {
		return nil
	}
	return l.release(ctx, volumeID, v.SubsystemNQN, nil, nil)
}

// abandon disconnects a subsystem that no volume wants.
func (l *Layer) abandon(ctx context.Context, nqn nvme.NQN) error {
	if l.needed(nqn, "") {
		return nil
	}
	obs, err := l.engine.Observe(ctx)
	if err != nil {
		return err
	}
	if s := obs.Subsystem(nqn); s != nil {
		return l.disconnect(ctx, s, nil, nil)
	}
	return nil
}

// needed tells whether a volume other than the named one wants the subsystem.
func (l *Layer) needed(nqn nvme.NQN, but string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, v := range l.volumes {
		if id != but && v.SubsystemNQN == nqn && !v.releasing {
			return true
		}
	}
	return false
}
