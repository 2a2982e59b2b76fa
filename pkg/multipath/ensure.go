package multipath

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"syscall"
	"time"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/nvme"
)

const (
	// ensureTimeout bounds staging where the caller's context does not.
	ensureTimeout = 90 * time.Second
	// namespaceWait is for how long a connected subsystem may take to show a
	// namespace before it counts as not there; the kernel scans in the
	// background.
	namespaceWait = 5 * time.Second
	// rollbackTimeout bounds the undoing of a staging that failed.
	rollbackTimeout = 30 * time.Second
)

// Ensure makes a volume's device available: it records the volume, connects
// its paths and returns once MinPaths of them are usable. The others are
// connected in the background, now and whenever they go missing. What Ensure
// began it undoes when it fails; a volume that was there before stays.
//
// Errors: ErrNoPath, ErrNoNamespace, ErrConflict, ErrUnsupported, or ctx's.
func (l *Layer) Ensure(ctx context.Context, v Volume) (Device, error) {
	ctx, cancel := context.WithTimeout(ctx, ensureTimeout)
	defer cancel()
	unlock, err := l.subsystems.lock(ctx, v.SubsystemNQN)
	if err != nil {
		return Device{}, err
	}
	defer unlock()
	if err := l.engine.Prepare(ctx); err != nil {
		return Device{}, err
	}
	fresh, err := l.enlist(v)
	if err != nil {
		return Device{}, err
	}
	d, err := l.await(ctx, v)
	if err != nil && fresh {
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		if undoErr := l.release(undo, v.ID, v.SubsystemNQN, nil); undoErr != nil {
			err = errors.Join(err, fmt.Errorf("undoing it failed: %w", undoErr))
		}
	}
	return d, err
}

// enlist records the volume before anything is connected for it. fresh tells
// that it was not there before.
func (l *Layer) enlist(v Volume) (fresh bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if have, ok := l.volumes[v.ID]; ok && !have.releasing {
		if !reflect.DeepEqual(have.Volume, v) {
			return false, fmt.Errorf("%w: volume %s", ErrConflict, v.ID)
		}
	} else {
		s := &staged{Volume: v}
		if err := l.store.save(s); err != nil {
			return false, fmt.Errorf("record volume: %w", err)
		}
		l.volumes[v.ID] = s
		fresh = true
	}
	for _, address := range v.Addresses { // somebody is waiting: no back-off
		if a := l.attempts[way{v.SubsystemNQN, address}]; a != nil {
			a.next, a.failures, a.last = time.Time{}, 0, nil
		}
	}
	return fresh, nil
}

// await looks until the volume is ready or it is clear that it will not be.
func (l *Layer) await(ctx context.Context, v Volume) (Device, error) {
	var connected time.Time // since when enough paths have a live controller
	rescanned := false
	for {
		if err := l.look(ctx); err != nil {
			return Device{}, err
		}
		looked := l.nextLook() // one that is newer than our own
		set := l.Snapshot().PathSet(v.ID)
		if set == nil {
			return Device{}, ErrNotStaged // cannot be: the subsystem is locked
		}
		if set.Usable() >= v.MinPaths {
			return l.finish(ctx, v)
		}
		live := l.live(set)
		if settled, why := l.settled(v, set); settled && live < v.MinPaths {
			return Device{}, fmt.Errorf("%w: %d of at least %d: %s", ErrNoPath, set.Usable(), v.MinPaths, why)
		} else if settled && live >= v.MinPaths {
			switch now := l.now(); {
			case connected.IsZero():
				connected = now
			case !rescanned:
				l.rescan(ctx, l.seen.Load().Subsystem(v.SubsystemNQN))
				rescanned = true
			case now.Sub(connected) > namespaceWait && set.Device.Name == "":
				return Device{}, fmt.Errorf("%w: subsystem %s is connected, but %s is not in it", ErrNoNamespace, v.SubsystemNQN, v.Namespace)
			}
		}
		timer := time.NewTimer(100 * time.Millisecond) // what sends no hint: ANA, a missing device node
		select {
		case <-looked:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			_, why := l.settled(v, set)
			return Device{}, fmt.Errorf("%w: %d of at least %d in time: %s: %w", ErrNoPath, set.Usable(), v.MinPaths, why, context.Cause(ctx))
		}
		timer.Stop()
	}
}

// live counts the paths whose controller is live, with or without the
// namespace.
func (l *Layer) live(set *PathSet) int {
	n := 0
	for i := range set.Paths {
		if set.Paths[i].State == nvme.StateLive {
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

// finish applies what the volume asks of its subsystem and records which
// device was handed out.
func (l *Layer) finish(ctx context.Context, v Volume) (Device, error) {
	obs := l.seen.Load()
	s := obs.Subsystem(v.SubsystemNQN)
	if s == nil {
		return Device{}, fmt.Errorf("%w: subsystem %s vanished", ErrNoPath, v.SubsystemNQN)
	}
	l.mu.Lock()
	set := *l.volumes[v.ID]
	l.mu.Unlock()
	h, state := find(&set, s)
	switch {
	case state == DeviceVanished:
		return Device{}, fmt.Errorf("%w: its device %s has vanished; unstage it first", ErrConflict, set.Head.Name)
	case h == nil:
		return Device{}, fmt.Errorf("%w: %s", ErrNoNamespace, v.Namespace)
	}
	if err := l.engine.Ready(*h); err != nil {
		return Device{}, fmt.Errorf("device node: %w", err)
	}
	if err := l.applyPolicy(ctx, v, s); err != nil {
		return Device{}, err
	}
	for _, w := range pair(v.Addresses, s) {
		if w.expected && w.controller != nil && w.controller.Owner == "" {
			if err := l.engine.Tune(w.controller.Name, v.Connect); err != nil {
				klog.FromContext(ctx).Error(err, "A path that somebody else connected keeps its own timeouts")
			}
		}
	}
	set.Head = stagedHead{Name: h.Name, DevNum: h.DevNum, Epoch: h.Epoch}
	l.mu.Lock()
	err := l.store.save(&set)
	l.volumes[v.ID] = &set
	l.mu.Unlock()
	if err != nil {
		return Device{}, fmt.Errorf("record volume: %w", err)
	}
	// The snapshots that follow show the volume as staged.
	return device(&set, h, DevicePresent), l.look(ctx)
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
