package e2e

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/braid-csi/braid/hack/rig"
)

// TestStageInterrupted kills braid-node in the middle of staging, sooner and
// later. Whatever it had begun, the next one takes up or takes down.
func TestStageInterrupted(t *testing.T) {
	s := newScene(t, rig.Namespace{SizeMB: 64, Delay: quick})
	v := s.volume(0, "ext4")
	for i, after := range []time.Duration{20, 40, 80, 150, 200, 250, 300, 400, 600, 800} {
		done := make(chan error, 1)
		go func() { done <- s.node.Stage(s.ctx, v) }()
		select {
		case err := <-done:
			t.Logf("staged before it could be interrupted: %v", err)
		case <-time.After(after * time.Millisecond):
		}
		must(t, s.node.Kill())
		must(t, s.node.Start(s.ctx))
		// kubelet may go either way: once more, or never mind.
		if i%2 == 0 {
			s.attach(v)
			s.unharmed(s.write(v))
			must(t, s.node.Unpublish(s.ctx, v))
		}
		must(t, s.node.Unstage(s.ctx, v))
		s.until("what the killed one had begun to end", func() (bool, error) { return s.left() == nil, nil })
	}
	s.nothingLeft()
}

// TestStageMinPaths wants more paths than there are. What was connected is
// taken down again.
func TestStageMinPaths(t *testing.T) {
	s := newScene(t, rig.Namespace{SizeMB: 64})
	v := s.volume(0, "ext4").With("minPaths", "2")
	must(t, s.rig.Cut(0))
	wantCode(t, s.node.Stage(s.ctx, v), codes.Unavailable, s.addr(0).String(), "refused")
	s.nothingLeft()
	must(t, s.rig.Repair(0))
	must(t, s.node.Stage(s.ctx, v))
	report, err := s.node.Paths(s.ctx, v)
	must(t, err)
	if report.Usable != 2 {
		t.Errorf("staging with minPaths 2 returned with %d", report.Usable)
	}
	must(t, s.node.Unstage(s.ctx, v))
	s.nothingLeft()
}

// TestUnstageSilentPath unstages while one path swallows everything: deleting
// its controller makes the kernel wait for an answer that never comes.
func TestUnstageSilentPath(t *testing.T) {
	s := newScene(t, rig.Namespace{SizeMB: 64})
	v := s.volume(0, "ext4").With("keepAliveTimeout", "1s")
	s.attach(v)
	s.unharmed(s.write(v))
	must(t, s.rig.Net.Paths[0].Cut())
	start := time.Now()
	must(t, s.node.Unpublish(s.ctx, v))
	s.until("unstaging", func() (bool, error) { return s.node.Unstage(s.ctx, v) == nil, nil })
	t.Logf("unstaged after %.1f s", time.Since(start).Seconds())
	must(t, s.rig.Net.Paths[0].Restore())
	s.ledgerLeft()
}
