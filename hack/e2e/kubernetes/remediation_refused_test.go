package kubernetes

import (
	"strings"
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/lab"
	"github.com/braid-csi/braid/hack/nvmet"
	"github.com/braid-csi/braid/hack/rig"
	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// TestRemediationLastUsablePath has a flapping path whose controller somebody
// else's namespace depends on, and then the volume itself: nothing is done to it,
// by policy or by hand, and it is said why. Once neither does, the policy acts.
func TestRemediationLastUsablePath(t *testing.T) {
	const own, group = 1, 2
	s := newSceneOver(t, alphaOn, []rig.Namespace{{SizeMB: 64, Delay: slow}, {UUID: uuid("neighbour"), SizeMB: 16, ANAGroup: group}})
	must(t, s.rig.SetANAState(s.ctx, 0, group, nvmet.Optimized)) // and not by the second path
	s.policy(strict, "10m")
	s.start()
	set := s.flap()
	before := s.reading()
	path := s.first(set)
	s.repair()
	s.usableAgain(0)

	const refused = "False/LastUsablePath, ResetController Refused/LastUsablePath"
	s.says(set, "NotRemediated", "LastUsablePath")
	s.asks(set, "for-a-neighbour", path.Address, "ResetController")
	neighbour := s.came("for-a-neighbour", refused)
	must(t, s.rig.SetANAState(s.ctx, 1, group, nvmet.Optimized))
	must(t, s.rig.SetANAState(s.ctx, 1, own, nvmet.Inaccessible))
	s.waitSet("the second path to be inaccessible", func(set v1alpha1.NVMePathSet) error { return usable(set, s.addr(1), false) })
	s.asks(set, "for-itself", path.Address, "ResetController")
	itself := s.came("for-itself", refused)
	if before, after := neighbour.Status.Steps[0].Message, itself.Status.Steps[0].Message; before == after || !strings.Contains(after, before[strings.LastIndex(before, " "):]) {
		t.Errorf("refused with the words %q and %q, which name another namespace and the same controller", before, after)
	}
	s.notReset(before, 0)

	must(t, s.rig.SetANAState(s.ctx, 1, own, nvmet.Optimized))
	s.usableAgain(1)
	all := s.remediated(set, 3)
	if r := all[len(all)-1]; !strings.HasPrefix(lab.Outcome(r), "True/Done, ResetController Done") {
		t.Errorf("once there was nothing against it, it has come to %s", lab.Outcome(r))
	}
	s.endRemediated()
}

// TestRemediationManualResetDuringFault resets counters while a path is lost: it
// stays lost, and everything goes on saying so.
func TestRemediationManualResetDuringFault(t *testing.T) {
	s := newScene(t, alphaOn)
	s.start()
	s.cut()
	lostOne := s.degraded()
	s.asks(lostOne, "too-early", "", "ResetCounters")
	s.came("too-early", lab.Done("ResetCounters"))
	set := s.waitSet("the counters to be reset, and the path to be called lost all the same", func(set v1alpha1.NVMePathSet) error {
		return lab.RedundancyLost(set)
	})
	s.until("the counters to be reset", func() (bool, error) {
		var err error
		set, err = s.lab.PathSet(s.ctx, s.volume.Name)
		return err == nil && s.first(set).Failovers.SinceReset == 0, err
	})
	must(t, lab.RedundancyLost(set))
	s.sameTransitions(lostOne, set)
	s.events(set, lost) // once
	if p := s.first(set); p.Failovers.Lifetime == 0 {
		t.Error("the lifetime total was reset too")
	}
	s.repair()
	s.healthyAgain()
	s.endRemediated()
}

// TestRemediationSlowBackend makes everything that is asked of the volume wait, on
// both paths, for twenty seconds. A policy that may do everything does nothing.
func TestRemediationSlowBackend(t *testing.T) {
	s := newSceneOver(t, alphaOn, []rig.Namespace{{SizeMB: 64, Delay: slow, Suspendable: true}})
	s.policy(everything, 1)
	set := s.start()
	before := s.reading()
	must(t, s.rig.Suspend(s.ctx, 0))
	end := time.Now().Add(20 * time.Second)
	s.until("twenty seconds to be over", func() (bool, error) { return time.Now().After(end), nil })
	stats, err := s.writer.Stats(s.ctx)
	must(t, err)
	must(t, s.rig.Resume(s.ctx, 0))
	s.goesOn()
	if now, err := s.writer.Stats(s.ctx); err != nil || now.Stall.Length() < 15*time.Second {
		t.Errorf("the writer was held up for %s (%v), want nearly twenty seconds; it had %d blocks", now.Stall.Length(), err, stats.Verified)
	}
	s.rests(5 * time.Second)
	s.remediated(set, 0)
	s.notReset(before, 0, 1)
	s.healthyAgain()
	s.endRemediated()
}

// everything is a policy that may do all there is, at once; a path is flapping
// after so many episodes.
const everything = `
apiVersion: braid.dev/v1alpha1
kind: NVMePathPolicy
metadata: {name: %[1]s}
spec:
  selector: {persistentVolumeNames: [%[1]s]}
  health:
    clearAfter: 3s
    flapping: {episodes: %[2]d, window: 1h}
    unstable: {episodes: %[2]d, window: 1h}
  remediation:
    steps: [Rescan, KickConnection, ResetController, Reconnect, ResetCounters]
    stabilizationWindow: 10s
    backOff: {initial: 1m, max: 1m}
    attempts: {max: 20}
`

// says waits until the path set has an event with that reason, and wants it to
// say that.
func (s *scene) says(set v1alpha1.NVMePathSet, reason, what string) {
	s.t.Helper()
	ctx, cancel := s.waiting()
	defer cancel()
	events, err := s.lab.WaitEvent(ctx, "NVMePathSet", set.Name, reason)
	must(s.t, err)
	if !lab.EventSays(events, reason, what) {
		s.until("an event "+reason+" that says "+what, func() (bool, error) {
			events, err := s.lab.Events(ctx, "NVMePathSet", set.Name)
			return lab.EventSays(events, reason, what), err
		})
	}
}
