package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/hack/poll"
	"github.com/braid-csi/braid/hack/rig"
)

// TestStageInterruptedConnecting kills braid-node while the kernel connects,
// which no signal ends, and unstages before that is done. The controllers come
// up for a volume that has left, and must not stay.
func TestStageInterruptedConnecting(t *testing.T) {
	s := newScene(t, rig.Namespace{SizeMB: 64})
	v := s.volume(0, "")
	for _, p := range s.rig.Net.Paths {
		must(t, p.Degrade(150*time.Millisecond, 0)) // makes connecting last
	}
	staged := make(chan error, 1)
	go func() { staged <- s.node.Stage(s.ctx, v) }()
	s.until("the kernel to connect", func() (bool, error) {
		c, err := nvmehost.Controllers()
		return len(c) > 0, err
	})
	must(t, s.node.Kill())
	if err := <-staged; err == nil {
		t.Fatal("staged before it could be interrupted")
	}
	must(t, s.node.Start(s.ctx))
	must(t, s.node.Unstage(s.ctx, v))
	left := time.Now()
	t.Logf("unstaged: %v", s.left())

	// braid-node looks for what was left behind once a minute.
	ctx, cancel := context.WithTimeout(s.ctx, 3*patience)
	defer cancel()
	var quiet time.Time
	must(t, poll.Until(ctx, "nothing to be left, for longer than connecting takes", func() (bool, error) {
		if s.left() != nil {
			quiet = time.Now()
		}
		return time.Since(left) > patience/2 && time.Since(quiet) > patience/2, nil
	}))
	t.Logf("nothing was left after %.0f s", quiet.Sub(left).Seconds())
	s.nothingLeft()
}
