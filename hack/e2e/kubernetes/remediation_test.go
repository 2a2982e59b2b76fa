package kubernetes

import (
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/hack/lab"
	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

const (
	// agentUser is by which name the API server knows a node's agent.
	agentUser = "system:serviceaccount:" + lab.SystemNamespace + ":braid-node"
	// restFor is for how long a path must be quiet before something that happens
	// to it is another episode. The ledger goes by the clock, and so does this.
	restFor = ledger.DefaultQuietTime + 2*time.Second
)

// strict is a policy that sets a controller up anew after two episodes within a
// time, and resets counters after twenty quiet seconds.
const strict = `
apiVersion: braid.dev/v1alpha1
kind: NVMePathPolicy
metadata: {name: %[1]s}
spec:
  selector: {persistentVolumeNames: [%[1]s]}
  health:
    clearAfter: 3s
    flapping: {episodes: 2, window: %[2]s}
    unstable: {episodes: 32}
  remediation:
    steps: [ResetController, ResetCounters]
    stabilizationWindow: 20s
    backOff: {initial: 10s, max: 10s}
`

// TestRemediationFlappingPath has a path come and go: its node says so, sets the
// controller up anew, sees that it stays quiet, and resets the counters.
func TestRemediationFlappingPath(t *testing.T) {
	s := newScene(t, alphaOn)
	s.policy(strict, "90s")
	s.start()
	set := s.flap()
	before := s.reading()
	lifetime := s.first(set).Failovers.Lifetime
	s.repair()

	all := s.remediated(set, 1)
	r := all[0]
	if got, want := lab.Outcome(r), lab.Done("ResetController", "ResetCounters"); got != want {
		t.Errorf("the remediation has come to %s, want %s", got, want)
	}
	if r.Spec.RequestedBy != agentUser || r.Spec.PolicyName != s.volume.Name || r.Spec.Path != s.first(set).Address {
		t.Errorf("asked for by %s, by policy %q, about %s", r.Spec.RequestedBy, r.Spec.PolicyName, r.Spec.Path)
	}
	s.quietFor(r, 20*time.Second)
	if c, err := lab.ChangeOf(r, r.Spec.Path, string(nvme.Failovers)); err != nil || c.Before < check.LeastFailovers || c.After != 0 || c.Lifetime < lifetime {
		t.Errorf("failovers on record: %+v, %v; want at least %d before, 0 after, and a lifetime of at least %d", c, err, check.LeastFailovers, lifetime)
	}
	s.wasReset(before, s.reading())
	_, err := s.lab.WaitEvent(s.ctx, "NVMePathSet", set.Name, "Remediated")
	must(t, err)

	set = s.waitSet("counters to be those after the reset", func(set v1alpha1.NVMePathSet) error {
		return errors.Join(check.PathSetCounts(set, s.reading()), lab.HasCondition(set, v1alpha1.ConditionStable, metav1.ConditionTrue, v1alpha1.ReasonHealthy))
	})
	if p := s.first(set); p.Failovers.SinceReset != 0 || p.Failovers.Lifetime < lifetime {
		t.Errorf("failovers after the reset: %+v, want none since, and a lifetime of at least %d", p.Failovers, lifetime)
	}
	set = s.healthyAgain()
	s.goesOn()
	s.remediated(set, 1) // it stays the only one
	s.endRemediated()
}
