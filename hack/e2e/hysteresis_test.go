package e2e

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/braid-csi/braid/hack/poll"
	"github.com/braid-csi/braid/hack/rig"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
)

// TestHealthHysteresis has a path come and go: what is wrong shows at once,
// goes only after a time of quiet, and who never rests is called flapping.
func TestHealthHysteresis(t *testing.T) {
	s := newScene(t, rig.Namespace{SizeMB: 64})
	v := s.volume(0, "ext4")
	s.attach(v)
	for episode := 1; episode <= 3; episode++ {
		must(t, s.rig.Cut(0))
		s.soon("the finding was raised", func() { s.waitFinding(v, "DEGRADED", "PathRedundancyLost") })
		repaired := time.Now()
		must(t, s.rig.Repair(0))
		s.waitUsable(v, 2)
		back := time.Now()
		s.inTime(clearAfter+2*noticed, "redundancy was trusted again", func() {
			s.until("redundancy to be trusted again", func() (bool, error) {
				found, err := s.node.VolumeHealth(s.ctx, v)
				return !found.Has("DEGRADED", "PathRedundancyLost"), err
			})
		})
		if quiet := time.Since(repaired); quiet < clearAfter {
			t.Errorf("cleared after %s, want at least %s of quiet", quiet, clearAfter)
		}
		found := s.health(v)
		t.Logf("episode %d: raised, repaired, cleared after %.1f s: %s", episode, time.Since(back).Seconds(), found)
		if flapping := found.Has("DEGRADED", "PathFlapping"); flapping != (episode >= 3) {
			t.Errorf("episode %d: flapping %t, want it from the third", episode, flapping)
		}
		if episode < 3 {
			// An episode ends with quiet; the next cut would be part of it.
			end := back.Add(ledger.DefaultQuietTime + noticed)
			s.until("the episode to end", func() (bool, error) { return time.Now().After(end), nil })
		}
	}
	s.detach(v)
	s.ledgerLeft()
}

// TestHealthAfterRestart asks for the health of a volume from the first moment
// braid-node answers, with a path down. An empty list would say that all is
// well: UNAVAILABLE says that nothing is known yet.
func TestHealthAfterRestart(t *testing.T) {
	s := newScene(t, rig.Namespace{SizeMB: 64})
	v := s.volume(0, "ext4")
	s.attach(v)
	must(t, s.rig.Cut(0))
	s.waitFinding(v, "DEGRADED", "PathRedundancyLost")

	must(t, s.node.Kill())
	started := make(chan error, 1)
	go func() { started <- s.node.Start(s.ctx) }()
	answers := map[codes.Code]int{}
	wrong := 0
	var answered time.Time
	must(t, poll.Until(s.ctx, "braid-node's answers after a restart", func() (bool, error) {
		found, err := s.node.VolumeHealth(s.ctx, v)
		code := status.Code(err)
		answers[code]++
		if code == codes.OK && answered.IsZero() {
			answered = time.Now()
		}
		if code == codes.OK && !found.Has("DEGRADED", "PathRedundancyLost") {
			wrong++
		}
		// For some time longer than a new braid-node needs to look twice.
		return !answered.IsZero() && time.Since(answered) > noticed, nil
	}))
	must(t, <-started)
	t.Logf("answers: %v", answers)
	if wrong > 0 {
		t.Errorf("%d answers without the finding, though the path was down all the time", wrong)
	}
	for code := range answers {
		if code != codes.OK && code != codes.Unavailable {
			t.Errorf("answered %s", code)
		}
	}
	must(t, s.rig.Repair(0))
	s.waitUsable(v, 2)
	s.waitHealthy(v)
	s.detach(v)
	s.nothingLeft()
}
