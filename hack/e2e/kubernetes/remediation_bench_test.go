package kubernetes

import (
	"errors"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/hack/lab"
	"github.com/braid-csi/braid/hack/rig"
	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// benching is a policy that takes a path that is much slower than the others out
// of use for a while.
const benching = `
apiVersion: braid.dev/v1alpha1
kind: NVMePathPolicy
metadata: {name: %[1]s}
spec:
  selector: {persistentVolumeNames: [%[1]s]}
  health: {clearAfter: 3s}
  remediation:
    steps: [Bench]
    benchTime: 45s
    stabilizationWindow: 10s
    backOff: {initial: 10s, max: 10s}
`

// TestRemediationBench has one of two paths become much slower than the other. It
// is said, and taken out of use for as long as the policy says: no request fails
// over for that, and it comes back by itself.
func TestRemediationBench(t *testing.T) {
	// A backend that takes its time would hide how slow a path is.
	s := newSceneOver(t, alphaOn, []rig.Namespace{{SizeMB: 64}})
	s.policy(benching)
	s.start()
	must(t, s.rig.Inject(s.ctx, 0, rig.Slow))
	set := s.waitSet("the slow path to be benched", func(set v1alpha1.NVMePathSet) error {
		slow, err := check.PathTo(set, s.addr(0))
		if err == nil && slow.BenchedUntil == nil {
			err = errors.New("it is not benched")
		}
		return errors.Join(err, usable(set, s.addr(0), false), usable(set, s.addr(1), true))
	})
	s.events(set, "PathMarginal")
	if err := lab.HasCondition(set, v1alpha1.ConditionRedundant, metav1.ConditionFalse, lost); err != nil {
		t.Error(err) // what is out of use is no redundancy
	}
	must(t, s.rig.Clear(s.ctx, 0, rig.Slow))
	all := s.remediated(set, 1)
	address := "tcp://" + s.addr(0).String()
	if got, want := lab.Outcome(all[0]), lab.Done("Bench"); got != want || all[0].Spec.Path != address {
		t.Errorf("the remediation of %s has come to %s, want %s of %s", all[0].Spec.Path, got, want, address)
	}
	s.goesOn()
	set = s.healthyAgain()
	for i := range 2 {
		if n := s.failovers(set, i); n != 0 {
			t.Errorf("%d requests failed over from %s", n, s.addr(i))
		}
	}
	s.goesOn()
	s.remediated(set, 1)
	s.endRemediated()
}
