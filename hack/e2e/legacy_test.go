package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/braid-csi/braid/hack/node"
	"github.com/braid-csi/braid/hack/rig"
)

// volumeCondition is the capability's name in CSI 1.9.
const volumeCondition = "VOLUME_CONDITION"

// TestLegacyVolumeCondition asks braid-node with the types of CSI 1.9, which
// kubelet up to 1.36 has: by its flag they find the volume's condition, through
// a cut and its repair and after a restart, and without it nothing that today's
// CSI does not have.
func TestLegacyVolumeCondition(t *testing.T) {
	s := newSceneWith(t, node.Config{ClearAfter: clearAfter, LegacyVolumeCondition: true}, rig.Namespace{SizeMB: 64})
	v := s.volume(0, "ext4")
	s.attach(v)
	s.condition(v, "while all is well", &node.Condition{Message: "healthy"})
	must(t, s.rig.Cut(0))
	s.waitFinding(v, "DEGRADED", "PathRedundancyLost")
	lost := &node.Condition{Abnormal: true, Message: "PathRedundancyLost: "}
	s.condition(v, "after a cut", lost)
	must(t, s.node.Restart(s.ctx))
	s.until("an answer after a restart", func() (bool, error) { // UNAVAILABLE until the paths were looked at
		_, err := s.node.CSI19(s.ctx, v)
		return err == nil, nil
	})
	s.condition(v, "after a restart", lost)
	must(t, s.rig.Cut(1))
	s.waitFinding(v, "INACCESSIBLE", "NoUsablePath")
	s.condition(v, "without a path", &node.Condition{Abnormal: true, Message: "NoUsablePath: "})
	must(t, s.rig.Repair(0))
	must(t, s.rig.Repair(1))
	s.waitUsable(v, 2)
	s.until("the findings to clear", func() (bool, error) {
		found, err := s.node.VolumeHealth(s.ctx, v)
		return len(found) == 0, err
	})
	s.condition(v, "after the repair", &node.Condition{Message: "healthy"})

	s.node.LegacyVolumeCondition = false
	must(t, s.node.Restart(s.ctx))
	s.condition(v, "without the flag", nil)
	s.detach(v)
	s.ledgerLeft()
}

// condition wants braid-node to say so of a volume to who has CSI 1.9, beside
// its usage; nil: nothing, and not that it would.
func (s *scene) condition(v node.Volume, when string, want *node.Condition) {
	s.t.Helper()
	a, err := s.node.CSI19(s.ctx, v)
	must(s.t, err)
	if has := slices.Contains(a.Capabilities, volumeCondition); has != (want != nil) {
		s.t.Errorf("%s: capabilities %q, want %s: %t", when, a.Capabilities, volumeCondition, want != nil)
	}
	if len(a.Usage) != 2 {
		s.t.Errorf("%s: usage %q, want bytes and inodes", when, a.Usage)
	}
	got := a.Condition
	if (got == nil) != (want == nil) || got != nil && (got.Abnormal != want.Abnormal || !strings.HasPrefix(got.Message, want.Message)) {
		s.t.Errorf("%s: condition %+v, want %+v", when, got, want)
		return
	}
	if got != nil {
		s.t.Logf("%s: %+v", when, *got)
	}
}
