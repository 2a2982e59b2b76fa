package kubernetes

import (
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/lab"
	"github.com/braid-csi/braid/hack/rig"
	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

const (
	// deaths is how often a path dies here. How long I/O hangs then is measured
	// where there is more time, by the scenarios of these names in hack/e2e.
	deaths = 3
	// settled is for how long all paths must be well before requests that hang
	// count as others than those that hung before: longer than the kernel waits
	// for one, 30 s.
	settled = 35 * time.Second
)

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
    flapping: {episodes: 32}
    unstable: {episodes: 32}
  remediation:
    steps: [%[2]s]
    stabilizationWindow: 10s
    backOff: {initial: 30s, max: 30s}
    attempts: {max: 20}
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
	for i := range deaths {
		s.dies(fault)
		well := time.Now()
		r := s.remediated(set, i+1)[i]
		if got, want := lab.Outcome(r), lab.Done(v1alpha1.ActionKickConnection); got != want {
			t.Errorf("the remediation has come to %s, want %s", got, want)
		}
		if r.Spec.RequestedBy != agentUser || r.Spec.PolicyName != s.volume.Name || r.Spec.Path != s.first(set).Address {
			t.Errorf("asked for by %s, by policy %q, about %s", r.Spec.RequestedBy, r.Spec.PolicyName, r.Spec.Path)
		}
		s.slowest("kicked %d times, KATO 5 s", i+1)
		s.goesOnUntil(well.Add(settled))
	}
	s.notReset(before, 1)

	s.policy(dead, "") // without the step it is the kernel's
	s.dies(fault)
	s.remediated(set, deaths)
	s.slowest("and once left to the kernel")
	s.healthyAgain()
	s.goesOn()
	s.endRemediated()
}

// dies has the first path fail until the host has given it up.
func (s *scene) dies(fault rig.Fault) {
	s.t.Helper()
	must(s.t, s.rig.Inject(s.ctx, 0, fault))
	s.givenUp(0)
	must(s.t, s.rig.Clear(s.ctx, 0, fault))
	s.usableAgain(0)
	s.goesOn()
}

// givenUp waits until the kernel calls a path's controller live no more.
func (s *scene) givenUp(path int) {
	s.t.Helper()
	s.until("the host to give the path up", func() (bool, error) {
		r, err := s.rig.Read(s.ctx, s.volume.UUID)
		return r.Ways[s.addr(path)].State != "live", err
	})
}

// slowest says how long the slowest I/O has taken so far.
func (s *scene) slowest(when string, args ...any) {
	s.t.Helper()
	stats, err := s.writer.Stats(s.ctx)
	must(s.t, err)
	s.t.Logf("slowest I/O %.1f s: "+when, append([]any{stats.Slowest.Seconds()}, args...)...)
}
