package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/faultpoints"
	"github.com/braid-csi/braid/hack/node"
	"github.com/braid-csi/braid/hack/rig"
	"github.com/braid-csi/braid/pkg/admin"
	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/remediation"
)

// TestRemediationAddressMoved has the target leave an address for another one
// under I/O. Nobody tells braid-node, which is killed between learning of it and
// connecting it: it goes on from its record, and the old controller, which the
// kernel would reconnect for ever, goes.
func TestRemediationAddressMoved(t *testing.T) {
	s := newSceneWith(t, node.Config{ClearAfter: clearAfter, Faultpoints: true}, rig.Namespace{SizeMB: 64, Delay: slow})
	from := s.addr(0)
	v := s.volume(0, "").With("discovery", from.String()+","+s.addr(1).String())
	s.attach(v)
	s.waitHealthy(v)
	w := s.write(v)
	since := stopwatch(t)

	must(t, s.killedBefore("write /dev/nvme-fabrics", func() { must(t, s.rig.Move(0)) }))
	since("%s is gone; killed before connecting %s", from, s.addr(0))
	s.goesOn(w)
	again := time.Now()
	must(t, s.node.Start(s.ctx))
	s.waitUsable(v, 2)
	p, err := s.movedPath(v)
	must(t, err)
	if p.Learned == nil || p.Learned.From != transportID(s.addr(1)) || !p.Learned.At.Before(again) {
		t.Fatalf("%+v, want it learned from %s before %s", p.Learned, s.addr(1), again)
	}
	since("connected, from the record: learned from %s %s before the restart", p.Learned.From.Address(), again.Sub(p.Learned.At))
	s.waitHealthy(v)
	s.until("the old controller to go", func() (bool, error) {
		_, there := s.reading(v).Ways[from]
		return !there, nil
	})
	since("the controller of %s is gone", from)
	must(t, s.node.Stage(s.ctx, v)) // as kubelet may at any time, with the addresses of before
	if report, err := s.node.Paths(s.ctx, v); err != nil || report.Usable != 2 || report.Expected != 2 || len(report.Paths) != 2 {
		t.Errorf("%+v, %v; want 2 paths, all expected and usable", report, err)
	}
	s.goesOn(w)
	s.unharmed(w)
	s.detach(v)
	s.ledgerLeft()
}

// killedBefore has braid-node killed before a step that something leads to.
func (s *scene) killedBefore(step string, lead func()) error {
	s.t.Helper()
	killed := make(chan error, 1)
	points, err := faultpoints.Listen(func(_ int, now string) {
		if now == step && len(killed) == 0 {
			killed <- s.node.KillAll()
		}
	})
	must(s.t, err)
	defer func() { _, _ = points.Close() }()
	lead()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	select {
	case err := <-killed:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", step, context.Cause(ctx))
	}
}

// movedPath is the path at the first path's address of now, as braid-node has it.
func (s *scene) movedPath(v node.Volume) (admin.Path, error) {
	report, err := s.node.Paths(s.ctx, v)
	for _, p := range report.Paths {
		if p.Expected && p.Address == transportID(s.addr(0)) {
			return p, nil
		}
	}
	return admin.Path{}, err
}

// TestRemediationReconnect has a path go silent until the kernel is connecting it.
// A policy has that controller taken down; the layer connects another one once the
// address answers again.
func TestRemediationReconnect(t *testing.T) {
	p := remediation.DefaultPolicy()
	p.Steps, p.BackOff = []remediation.Step{remediation.Reconnect}, 5*time.Second
	k := newKept(t, p)
	nqn, since := nvme.NQN(k.nqn), stopwatch(t)
	was := k.keeper.layer.Subsystem(nqn).Controller(k.path(1).Controller)
	must(t, k.net.Paths[0].Cut())
	k.until("the kernel to connect", func() (bool, error) { return k.path(1).State == nvme.StateConnecting, k.writer.Err() })
	since("%s is connecting", was.Name)
	k.until("its controller to be taken down", func() (bool, error) {
		path := k.path(1)
		return path.State == nvme.StateAbsent && path.ConnectError != "", k.writer.Err()
	})
	since("taken down; not connected: %s", k.path(1).ConnectError)
	k.goesOn(k.writer)
	must(t, k.net.Paths[0].Restore())
	k.until("both paths", func() (bool, error) {
		return k.keeper.layer.Snapshot().PathSet(k.volume).Usable() == 2, k.writer.Err()
	})
	is := k.keeper.layer.Subsystem(nqn).Controller(k.path(1).Controller)
	since("connected anew as %s", is.Name)
	if is.Epoch == was.Epoch {
		t.Errorf("%s is the controller of before", is.Name)
	}
	if tried := k.keeper.tried(nqn); len(tried) != 1 || tried[0].Step != remediation.Reconnect {
		t.Errorf("done: %+v; want one %s", tried, remediation.Reconnect)
	}
	k.goesOn(k.writer)
	k.unharmed(k.writer)
}
