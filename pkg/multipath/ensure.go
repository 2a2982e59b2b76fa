package multipath

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/nvme"
)

const (
	// ensureTimeout bounds staging where the caller's context does not.
	ensureTimeout = time.Minute
	// rollbackTimeout bounds the undoing of a staging that failed.
	rollbackTimeout = 30 * time.Second
)

// Ensure makes a volume's device available: it records the volume, connects
// its paths and returns once MinPaths of them are usable. The others are
// connected in the background, now and whenever they go missing. What Ensure
// began it undoes when it fails; a volume that was there before stays.
//
// The subsystem's lock is not held while Ensure waits for paths, so that a
// volume that cannot be staged does not keep another from being released. Its
// record alone keeps the subsystem from being disconnected.
//
// Errors: ErrNoPath, ErrNoNamespace, ErrConflict, ErrUnsupported, or ctx's.
func (l *Layer) Ensure(ctx context.Context, v Volume) (Device, error) {
	ctx, cancel := context.WithTimeout(ctx, ensureTimeout)
	defer cancel()
	if err := l.engine.Prepare(ctx); err != nil {
		return Device{}, err
	}
	fresh, before, err := l.enlist(ctx, v)
	if err != nil {
		return Device{}, err
	}
	d, err := l.await(ctx, v)
	if err != nil && fresh {
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		if undoErr := l.undo(undo, v, before); undoErr != nil {
			err = errors.Join(err, fmt.Errorf("undoing it failed, and is tried again: %w", undoErr))
		}
	}
	return d, err
}

// undo takes back what a failed Ensure began. Controllers that were there
// before it stay.
func (l *Layer) undo(ctx context.Context, v Volume, before []string) error {
	unlock, err := l.subsystems.lock(ctx, v.SubsystemNQN)
	if err != nil {
		return err
	}
	defer unlock()
	return l.release(ctx, v.ID, v.SubsystemNQN, nil, before)
}

// enlist records the volume before anything is connected for it. fresh tells
// that it was not there before, and before are the epochs of the subsystem's
// controllers that were.
func (l *Layer) enlist(ctx context.Context, v Volume) (fresh bool, before []string, err error) {
	unlock, err := l.subsystems.lock(ctx, v.SubsystemNQN)
	if err != nil {
		return false, nil, err
	}
	defer unlock()
	obs, err := l.engine.Observe(ctx)
	if err != nil {
		return false, nil, err
	}
	var foreign []string
	if s := obs.Subsystem(v.SubsystemNQN); s != nil {
		for _, c := range s.Controllers {
			before = append(before, c.Epoch)
			if c.Owner == "" {
				foreign = append(foreign, c.Epoch)
			}
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &staged{Volume: v, foreign: foreign}
	if have, ok := l.volumes[v.ID]; ok && !have.releasing {
		if !have.same(v) {
			return false, nil, fmt.Errorf("%w: volume %s", ErrConflict, v.ID)
		}
		s = have.belongingTo(v.Origin)
	} else {
		fresh = true
	}
	if s != l.volumes[v.ID] {
		if err := l.store.save(s); err != nil {
			return false, nil, fmt.Errorf("record volume: %w", err)
		}
		l.volumes[v.ID] = s
	}
	for _, address := range s.expected() { // somebody is waiting: no back-off
		if a := l.attempts[way{v.SubsystemNQN, address}]; a != nil {
			a.next, a.failures, a.last = time.Time{}, 0, nil
		}
	}
	return fresh, before, nil
}

// finish applies what the volume asks of its subsystem and records which
// device is handed out.
func (l *Layer) finish(ctx context.Context, v Volume) (Device, error) {
	unlock, err := l.subsystems.lock(ctx, v.SubsystemNQN)
	if err != nil {
		return Device{}, err
	}
	defer unlock()
	l.mu.Lock()
	have := l.volumes[v.ID]
	l.mu.Unlock()
	if have == nil || have.releasing {
		return Device{}, fmt.Errorf("%w: volume %s was released meanwhile", ErrNotStaged, v.ID)
	}
	s := l.seen.Load().Subsystem(v.SubsystemNQN)
	// A device that was handed out before and has vanished is mounted nowhere,
	// or the caller would not ask for another one.
	h, _ := find(have, s)
	if h == nil {
		return Device{}, fmt.Errorf("%w: %s", ErrNoNamespace, v.Namespace)
	}
	if err := l.engine.Ready(*h); err != nil {
		return Device{}, fmt.Errorf("%w: %w", errNoNode, err)
	}
	if err := l.applyPolicy(ctx, v, s); err != nil {
		return Device{}, err
	}
	for _, w := range pair(have.expected(), s) {
		if w.expected && w.controller != nil && w.controller.Owner == "" {
			if err := l.engine.Tune(w.controller.Name, v.Connect); err != nil {
				klog.FromContext(ctx).Error(err, "A path that somebody else connected keeps its own timeouts")
			}
		}
	}
	handedOut, err := l.handOut(v.ID, stagedHead{Name: h.Name, DevNum: h.DevNum, Epoch: h.Epoch})
	if err != nil {
		return Device{}, fmt.Errorf("record volume: %w", err)
	}
	// The snapshots that follow show the volume as staged.
	return device(handedOut, h, DevicePresent), l.look(ctx)
}

// handOut records the device of a volume. What was learned of it meanwhile stays.
func (l *Layer) handOut(volumeID string, head stagedHead) (*staged, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	told := *l.volumes[volumeID]
	told.Head = head
	if err := l.store.save(&told); err != nil {
		return nil, err
	}
	l.volumes[volumeID] = &told
	return &told, nil
}

// applyPolicy sets the I/O policy that the volume asks for. Where it asks for
// none, one that somebody chose stays; the kernel's default sends all I/O
// down one path, so Braid prefers to use what is there.
func (l *Layer) applyPolicy(ctx context.Context, v Volume, s *Subsystem) error {
	if v.IOPolicy != "" {
		if s.IOPolicy == v.IOPolicy {
			return nil
		}
		if err := l.engine.SetIOPolicy(s.Name, v.IOPolicy); err != nil {
			if errors.Is(err, syscall.EINVAL) {
				return fmt.Errorf("%w: I/O policy %s", ErrUnsupported, v.IOPolicy)
			}
			return err
		}
		return nil
	}
	if s.IOPolicy != nvme.IOPolicyNUMA {
		return nil
	}
	err := l.engine.SetIOPolicy(s.Name, nvme.IOPolicyQueueDepth)
	if errors.Is(err, syscall.EINVAL) { // before Linux 6.11
		err = l.engine.SetIOPolicy(s.Name, nvme.IOPolicyRoundRobin)
	}
	if err != nil {
		klog.FromContext(ctx).Error(err, "The I/O policy stays as it is", "subsystem", s.Name, "policy", s.IOPolicy)
	}
	return nil
}
