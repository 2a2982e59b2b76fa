package multipath

import (
	"context"
	"fmt"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/nvme"
)

// Release gives a volume up: nothing is connected for it any more, and the
// controllers that Braid connected are taken down unless another volume or
// somebody else uses their subsystem. The ledger stays. devNum is the device
// that was found staged, "" for none; it is enough where there is no record.
// A volume that is not known and has no device is released already.
//
// It fails with ErrBusy, and changes nothing, while somebody uses the device.
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
	return l.release(ctx, volumeID, nqn, head, nil)
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
// where there is no record to find it by; keep are the epochs of controllers
// that are not to be touched.
//
//	staged --> idle? --no--> staged, ErrBusy
//	             |
//	            yes --> marked as releasing, on disk --> disconnected --> record removed
//	                        ^                                 |
//	                        +------- tidy tries again --------+ failed, or Braid died
func (l *Layer) release(ctx context.Context, volumeID string, nqn nvme.NQN, head *Head, keep []string) error {
	// This look also takes the last counts into the ledger.
	if err := l.look(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	v := l.volumes[volumeID]
	l.mu.Unlock()
	if v != nil {
		head, _ = find(v, l.seen.Load().Subsystem(nqn))
	}
	if err := l.mustBeIdle(ctx, head); err != nil {
		return err
	}
	if err := l.markReleasing(volumeID); err != nil {
		// A full disk must not keep a volume on the node. Should Braid die before
		// the end, its next run connects the volume anew until it is asked again.
		klog.FromContext(ctx).Error(err, "Releasing a volume without a note of it", "volumeID", volumeID)
	}
	s, err := l.settle(ctx, nqn, l.cancelAttempts(nqn, func(w way) bool { return !l.wants(w) }))
	if err != nil {
		return err
	}
	if s != nil && !l.needed(nqn, volumeID) {
		if err := l.disconnect(ctx, s, head, keep); err != nil {
			return err
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

// markReleasing notes, also on disk, that a volume is being given up: should
// Braid die now, its next run goes on with it rather than connect it anew.
func (l *Layer) markReleasing(volumeID string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := l.volumes[volumeID]
	if v == nil || v.releasing {
		return nil
	}
	marked := *v
	marked.releasing = true
	l.volumes[volumeID] = &marked
	if err := l.store.save(&marked); err != nil {
		return fmt.Errorf("record volume: %w", err)
	}
	return nil
}

// InUse tells whether somebody on this node has a namespace mounted, open or
// made something of, whether or not it is a staged volume's.
func (l *Layer) InUse(ctx context.Context, nqn nvme.NQN, id nvme.NamespaceID) (bool, error) {
	obs, err := l.engine.Observe(ctx)
	if err != nil {
		return false, err
	}
	s := obs.Subsystem(nqn)
	if s == nil || s.Head(id) == nil {
		return false, nil
	}
	name, err := l.engine.InUse(ctx, *s.Head(id))
	return name != "", err
}
