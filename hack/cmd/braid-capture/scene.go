package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/braid-csi/braid/hack/guest"
	"github.com/braid-csi/braid/hack/load"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/hack/nvmet"
	"github.com/braid-csi/braid/hack/poll"
	"github.com/braid-csi/braid/hack/rig"
	"github.com/braid-csi/braid/hack/systree"
)

// The names are part of the fixtures.
const (
	nqn     = "nqn.2026-11.test.braid:capture"
	hostNQN = "nqn.2014-08.org.nvmexpress:uuid:0b1d0000-0000-4000-8000-000000000001"
	hostID  = "0b1d0000-0000-4000-8000-000000000001"
	uuid1   = "b4a1d000-0000-4000-8000-000000000001"
	uuid2   = "b4a1d000-0000-4000-8000-000000000002"
)

// scene is what is captured: two namespaces in ANA groups of their own, each
// with two paths.
type scene struct {
	rig         *rig.Rig
	controllers []nvmehost.Controller
	heads       []nvmehost.Head
	paths       [][]nvmehost.Path // of each head
	release     string
}

func newScene(ctx context.Context) (*scene, error) {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return nil, err
	}
	r, err := rig.New(rig.Config{NQN: nqn, Paths: 2, Namespaces: []rig.Namespace{
		{UUID: uuid1, SizeMB: 64, Delay: 100 * time.Millisecond, ANAGroup: 1},
		{UUID: uuid2, SizeMB: 32, ANAGroup: 2},
	}})
	if err != nil {
		return nil, err
	}
	s := &scene{rig: r, release: unix.ByteSliceToString(uts.Release[:])}
	if err := s.connect(ctx); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return s, nil
}

func (s *scene) connect(ctx context.Context) error {
	for i, state := range []nvmet.ANAState{nvmet.Optimized, nvmet.NonOptimized} {
		if err := s.rig.Ports[i].SetANAState(2, state); err != nil {
			return err
		}
	}
	for i := range s.rig.Ports {
		c, err := s.rig.Connect(i, nvmehost.ConnectOptions{
			HostNQN: hostNQN, HostID: hostID, ReconnectDelay: time.Second, ControllerLoss: -1, FastIOFail: 30 * time.Second,
		})
		if err != nil {
			return err
		}
		s.controllers = append(s.controllers, c)
	}
	for _, uuid := range []string{uuid1, uuid2} {
		head, err := nvmehost.WaitHead(ctx, uuid)
		if err != nil {
			return err
		}
		paths, err := head.WaitPaths(ctx, s.controllers...)
		if err != nil {
			return err
		}
		s.heads, s.paths = append(s.heads, head), append(s.paths, paths)
	}
	return s.heads[0].SetIOPolicy("round-robin")
}

// play goes through the states and captures each.
func (s *scene) play(ctx context.Context) error {
	for _, act := range []struct {
		state string
		enter func(context.Context) error
	}{
		{"live", s.failOver},
		{"path-down", func(ctx context.Context) error { return s.cut(ctx, 0) }},
		{"no-path", func(ctx context.Context) error { return s.cut(ctx, 1) }},
		{"ana-inaccessible", s.loseAccess},
	} {
		if err := act.enter(ctx); err != nil {
			return fmt.Errorf("state %s: %w", act.state, err)
		}
		file := filepath.Join(guest.OutDir, s.release, act.state+".sysfs")
		command := "braid-capture, state " + act.state
		if err := systree.Capture(file, systree.NVMe, s.release, command); err != nil {
			return fmt.Errorf("capturing %s: %w", act.state, err)
		}
		fmt.Println(file)
	}
	return nil
}

// failOver cuts and repairs path 1 under load, so that the counters of a
// healthy tree are not all zero.
func (s *scene) failOver(ctx context.Context) error {
	reads, err := load.StartReads(s.heads[0].Device(), 32)
	if err != nil {
		return err
	}
	err = poll.Until(ctx, "reads in flight", func() (bool, error) {
		n, err := s.paths[0][0].Inflight()
		return n >= 8, err
	})
	if err == nil {
		err = s.cut(ctx, 0)
	}
	if err == nil {
		err = s.repair(ctx, 0)
	}
	return errors.Join(err, reads.Stop())
}

func (s *scene) cut(ctx context.Context, path int) error {
	if err := s.rig.Cut(path); err != nil {
		return err
	}
	return s.controllers[path].WaitState(ctx, "connecting")
}

func (s *scene) repair(ctx context.Context, path int) error {
	if err := s.rig.Repair(path); err != nil {
		return err
	}
	return s.controllers[path].WaitState(ctx, "live")
}

// loseAccess has both paths live again and one namespace inaccessible through
// one of them.
func (s *scene) loseAccess(ctx context.Context) error {
	if err := errors.Join(s.repair(ctx, 0), s.repair(ctx, 1)); err != nil {
		return err
	}
	if err := s.rig.Ports[0].SetANAState(1, nvmet.Inaccessible); err != nil {
		return err
	}
	path := s.paths[0][0]
	return poll.Until(ctx, path.String()+" to be inaccessible", func() (bool, error) {
		state, err := path.ANAState()
		return state == string(nvmet.Inaccessible), err
	})
}
