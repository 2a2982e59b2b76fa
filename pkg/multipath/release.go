package multipath

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/nvme"
)

// owner is how controllers that Braid connected are signed.
const owner = "braid"

// Release gives a volume up: nothing is connected for it any more, and the
// controllers that Braid connected are taken down unless another volume or
// somebody else uses their subsystem. The ledger stays. devNum is the device
// that was found staged, "" for none; it is enough where there is no record.
// A volume that is not known and has no device is released already.
func (l *Layer) Release(ctx context.Context, volumeID, devNum string) error {
	obs, err := l.engine.Observe(ctx)
	if err != nil {
		return err
	}
	l.mu.Lock()
	v, known := l.volumes[volumeID]
	l.mu.Unlock()
	nqn, head := headOf(obs, devNum)
	if known {
		nqn = v.SubsystemNQN
	}
	if nqn == "" {
		return nil
	}
	unlock, err := l.subsystems.lock(ctx, nqn)
	if err != nil {
		return err
	}
	defer unlock()
	return l.release(ctx, volumeID, nqn, head)
}

// headOf finds the head with a device number, and its subsystem.
func headOf(obs *Observation, devNum string) (nvme.NQN, *Head) {
	if devNum == "" {
		return "", nil
	}
	for i := range obs.Subsystems {
		s := &obs.Subsystems[i]
		for j := range s.Heads {
			if s.Heads[j].DevNum == devNum {
				return s.NQN, &s.Heads[j]
			}
		}
	}
	return "", nil
}

// Serves tells whether a block device is the volume's namespace, whoever has
// connected it. A device that is gone serves nothing.
func (l *Layer) Serves(ctx context.Context, v Volume, devNum string) (bool, error) {
	obs, err := l.engine.Observe(ctx)
	if err != nil {
		return false, err
	}
	nqn, head := headOf(obs, devNum)
	return head != nil && nqn == v.SubsystemNQN && head.Is(v.Namespace), nil
}

// release does it, with the subsystem lock held. head is the volume's device
// where there is no record to find it by.
func (l *Layer) release(ctx context.Context, volumeID string, nqn nvme.NQN, head *Head) error {
	l.mu.Lock()
	v := l.volumes[volumeID]
	if v != nil {
		v.releasing = true
	}
	others := 0
	for id, o := range l.volumes {
		if id != volumeID && o.SubsystemNQN == nqn && !o.releasing {
			others++
		}
	}
	l.mu.Unlock()
	l.cancelAttempts(nqn)
	// The last look takes the counters into the ledger before they go.
	if err := l.look(ctx); err != nil {
		return err
	}
	s := l.seen.Load().Subsystem(nqn)
	if s != nil {
		if v != nil {
			head, _ = find(v, s)
		}
		if err := l.mustBeIdle(ctx, head); err != nil {
			return err
		}
		if others == 0 {
			if err := l.disconnect(ctx, s, head); err != nil {
				return err
			}
		}
	}
	if err := l.store.remove(volumeID); err != nil {
		return fmt.Errorf("remove the volume's record: %w", err)
	}
	l.mu.Lock()
	delete(l.volumes, volumeID)
	l.mu.Unlock()
	return l.look(ctx)
}

// mustBeIdle refuses to take a device from under somebody who has it mounted,
// in whatever mount namespace: data would be lost.
func (l *Layer) mustBeIdle(ctx context.Context, h *Head) error {
	if h == nil {
		return nil
	}
	busy, err := l.engine.InUse(ctx, *h)
	if err != nil {
		return err
	}
	if busy {
		return fmt.Errorf("%w: %s is still mounted or held by somebody", ErrBusy, h.Name)
	}
	return nil
}

// disconnect takes down the subsystem's controllers that are Braid's, unless
// another of its namespaces is in use.
func (l *Layer) disconnect(ctx context.Context, s *Subsystem, but *Head) error {
	log := klog.FromContext(ctx).WithValues("subsystemNQN", s.NQN)
	for _, h := range s.Heads {
		if but != nil && h.Name == but.Name {
			continue
		}
		busy, err := l.engine.InUse(ctx, h)
		if err != nil {
			return err
		}
		if busy {
			log.Info("Controllers stay: another namespace is in use", "head", h.Name)
			return nil
		}
	}
	var wait sync.WaitGroup
	errs := make([]error, len(s.Controllers))
	for i, c := range s.Controllers {
		if c.Owner != owner {
			log.Info("Controller stays: Braid did not connect it", "controller", c.Name, "owner", c.Owner)
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
