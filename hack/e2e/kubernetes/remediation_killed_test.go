package kubernetes

import (
	"strings"
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/lab"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/hack/poll"
	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// TestRemediationAgentKilledAtEveryStep kills braid-node before each side effect
// that it has from the repair of a flapping path on: each file, each attribute of
// the kernel, each request that changes something in the API. What is done again
// is let through. No controller is reset more often than is on record, no record
// stays open, and in the end counters are reset.
func TestRemediationAgentKilledAtEveryStep(t *testing.T) {
	s := newScene(t, fragile)
	s.policy(strict, "10m")
	s.start()
	set := s.flap()
	before := s.reading()
	must(t, s.rig.Crash(s.ctx))
	s.repair()
	var all []v1alpha1.NVMePathRemediation
	// Each time takes as long as a start of braid-node.
	must(t, poll.Every(s.ctx, time.Second, "counters to be reset", func() (_ bool, err error) {
		all, err = s.lab.Remediations(s.ctx, set.Name)
		return len(all) > 0 && all[len(all)-1].Status.ResetID != "", err
	}))
	crashes, err := s.rig.Crashed(s.ctx)
	must(t, err)
	for i, step := range crashes {
		t.Logf("%3d  %s", i+1, step)
	}
	s.until("all records to be over", func() (_ bool, err error) {
		all, err = s.lab.Remediations(s.ctx, set.Name)
		for _, r := range all {
			if r.Status.CompletionTime == nil {
				return false, err
			}
		}
		return true, err
	})
	t.Logf("remediations: %s", lab.SketchRemediations(all))
	s.onRecord(all, before)
	for _, step := range []string{"reset nvme", "multipath_failover_count", "nvmepathremediations", "ledger"} {
		if !strings.Contains(strings.Join(crashes, "\n"), step) {
			t.Errorf("braid-node was never killed before a step with %q in it", step)
		}
	}
	s.usableAgain(0)
	s.goesOn()
	s.endRemediated()
}

// onRecord wants the first path's controller not to have been reset more often
// than was begun by some remediation, and no other controller.
func (s *scene) onRecord(all []v1alpha1.NVMePathRemediation, before nvmehost.Reading) {
	s.t.Helper()
	begun := uint64(0)
	for _, r := range all {
		for _, step := range r.Status.Steps {
			if step.Action == v1alpha1.ActionResetController && step.StartTime != nil {
				begun++
			}
		}
	}
	is, was := s.reading().Ways[s.addr(0)], before.Ways[s.addr(0)]
	if n := is.ControllerCounts[nvmehost.Resets] - was.ControllerCounts[nvmehost.Resets]; n > begun {
		s.t.Errorf("the controller was reset %d times, with %d such steps on record", n, begun)
	}
	s.notReset(before, 1)
}
