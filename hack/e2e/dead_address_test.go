package e2e

import (
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/rig"
)

// TestAttachDeadAddress has one of two addresses swallow everything. The kernel
// connects one controller at a time and waits for each: staging must not.
func TestAttachDeadAddress(t *testing.T) {
	s := newScene(t, rig.Namespace{SizeMB: 64})
	both := s.volume(0, "")
	alone := both.With("addresses", s.addr(1).String())
	must(t, s.node.Stage(s.ctx, alone)) // the first time loads modules
	must(t, s.node.Unstage(s.ctx, alone))
	began := time.Now()
	must(t, s.node.Stage(s.ctx, alone))
	without := time.Since(began)
	must(t, s.node.Unstage(s.ctx, alone))

	must(t, s.rig.Net.BlackHole(s.rig.Net.Paths[0].Target))
	with := s.inTime(without+time.Second, "staged with a dead address", func() { must(t, s.node.Stage(s.ctx, both)) })
	t.Logf("staging took %.2f s with a dead address, %.2f s without it", with.Seconds(), without.Seconds())
	must(t, s.node.Publish(s.ctx, both))
	report, err := s.node.Paths(s.ctx, both)
	must(t, err)
	if report.Usable != 1 || report.Expected != 2 || report.Paths[0].State != "absent" {
		t.Errorf("%d of %d paths usable, the first %s; want 1 of 2, absent", report.Usable, report.Expected, report.Paths[0].State)
	}
	s.waitFinding(both, "DEGRADED", "PathRedundancyLost")
	w := s.write(both)

	must(t, s.rig.Net.Paths[0].Restore())
	s.waitUsable(both, 2)
	t.Log("the address answers again, and its path was connected in the background")
	s.waitHealthy(both)
	s.goesOn(w)
	s.unharmed(w)
	s.settled(both)
	s.detach(both)
	s.ledgerLeft()
}
