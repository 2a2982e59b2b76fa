package kubernetes

import (
	"cmp"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/lab"
	"github.com/braid-csi/braid/hack/rig"
	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// settled is for how long all paths must be well before requests that hang count
// as others than those that hung before: longer than the kernel waits for one,
// 30 s.
const settled = 35 * time.Second

// deaths is how often a path dies here, or what BRAID_DEATHS says, which the
// policy must leave room for. What else could be done about how long I/O hangs
// then is measured by the scenarios of these names in hack/e2e.
func deaths(t *testing.T) int {
	t.Helper()
	text := cmp.Or(os.Getenv("BRAID_DEATHS"), "3")
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 100 {
		t.Fatalf("BRAID_DEATHS=%s: want a number from 1 to 100", text)
	}
	return n
}

// dead is a policy for dead connections, with some steps. However often paths die
// here, they are not called flapping.
const dead = `
apiVersion: braid.dev/v1alpha1
kind: NVMePathPolicy
metadata: {name: %[1]s}
spec:
  selector: {persistentVolumeNames: [%[1]s]}
  health:
    clearAfter: 3s
    flapping: {episodes: 32, window: 1s}
    unstable: {episodes: 32, window: 1s}
  remediation:
    steps: [%[2]s]
    stabilizationWindow: 10s
    backOff: {initial: 30s, max: 30s}
    attempts: {max: 20, window: 1m}
    records: {max: 100}
`

// TestRemediationBlackHoleWhole has a path go silent under I/O, again and again. A
// policy has its dead connections ended, once each time.
func TestRemediationBlackHoleWhole(t *testing.T) { blackHole(t, rig.Silence) }

// TestRemediationBlackHoleSingleFlow does it to one I/O queue's connection. The
// admin queue's keep-alive goes on as if nothing were wrong.
func TestRemediationBlackHoleSingleFlow(t *testing.T) { blackHole(t, rig.SilentFlow) }

func blackHole(t *testing.T, fault rig.Fault) {
	s := newScene(t, alphaOn)
	s.policy(dead, v1alpha1.ActionKickConnection)
	set := s.start()
	before := s.reading()
	var stalls []time.Duration
	for i := range deaths(t) {
		stalls = append(stalls, s.dies(fault))
		well := time.Now()
		r := s.remediated(set, i+1)[i]
		if got, want := lab.Outcome(r), lab.Done(v1alpha1.ActionKickConnection); got != want {
			t.Errorf("the remediation has come to %s, want %s", got, want)
		}
		if r.Spec.RequestedBy != agentUser || r.Spec.PolicyName != s.volume.Name || r.Spec.Path != s.first(set).Address {
			t.Errorf("asked for by %s, by policy %q, about %s", r.Spec.RequestedBy, r.Spec.PolicyName, r.Spec.Path)
		}
		t.Logf("kicked, KATO 5 s: slowest I/O %.1f s", stalls[i].Seconds())
		s.goesOnUntil(well.Add(settled))
	}
	s.notReset(before, 1)

	slices.Sort(stalls)
	t.Logf("kicked %d times: slowest I/O %.1f s in the median, %.1f s at most", len(stalls), stalls[len(stalls)/2].Seconds(), stalls[len(stalls)-1].Seconds())

	s.policy(dead, "") // without the step it is the kernel's
	t.Logf("left to the kernel: slowest I/O %.1f s", s.dies(fault).Seconds())
	s.remediated(set, len(stalls))
	s.healthyAgain()
	s.goesOn()
	s.endRemediated()
}

// dies has the first path fail until the host has given it up, and returns how
// long the slowest I/O took meanwhile.
func (s *scene) dies(fault rig.Fault) time.Duration {
	s.t.Helper()
	must(s.t, s.writer.Forget(s.ctx))
	must(s.t, s.rig.Inject(s.ctx, 0, fault))
	s.givenUp(0)
	must(s.t, s.rig.Clear(s.ctx, 0, fault))
	s.usableAgain(0)
	s.goesOn()
	return s.slowest()
}

// givenUp waits until the kernel calls a path's controller live no more.
func (s *scene) givenUp(path int) {
	s.t.Helper()
	s.until("the host to give the path up", func() (bool, error) {
		r, err := s.rig.Read(s.ctx, s.volume.UUID)
		return r.Ways[s.addr(path)].State != "live", err
	})
}

// slowest is how long the slowest I/O has taken, since that was last forgotten.
func (s *scene) slowest() time.Duration {
	s.t.Helper()
	stats, err := s.writer.Stats(s.ctx)
	must(s.t, err)
	return stats.Slowest
}
