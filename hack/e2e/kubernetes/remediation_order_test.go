package kubernetes

import (
	"strings"
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/lab"
	"github.com/braid-csi/braid/hack/nvmehost"
)

// off is a policy that keeps nodes from acting.
const off = `
apiVersion: braid.dev/v1alpha1
kind: NVMePathPolicy
metadata: {name: %[1]s-off}
spec: {suspension: {reason: "both switches are replaced, ticket 4711"}}
`

// TestRemediationSerialised has both paths flap, while policies are switched off.
// Once they are not, one controller is set up anew after the other.
func TestRemediationSerialised(t *testing.T) {
	s := newScene(t, alphaOn)
	s.policy(strict, "10m")
	s.policy(off)
	s.start()
	for i := range 2 {
		for path := range 2 {
			s.cutPath(path)
			s.repairPath(path)
			s.usableAgain(path)
		}
		if i == 0 {
			s.rests(restFor)
		}
	}
	set := s.usableAgain(0)
	s.says(set, "NotRemediated", "ticket 4711")
	s.remediated(set, 0)
	before := s.reading()
	_, err := s.lab.Run(s.ctx, "kubectl", "delete", "nvmepathpolicy", s.volume.Name+"-off")
	must(t, err)

	s.until("two remediations", func() (bool, error) {
		all, err := s.lab.Remediations(s.ctx, set.Name)
		return len(all) == 2, err
	})
	all := s.remediated(set, 2)
	reset := 0
	for _, r := range all {
		if !strings.HasPrefix(lab.Outcome(r), "True/Done, ResetController Done") {
			t.Errorf("%s has come to %s", r.Name, lab.Outcome(r))
		}
		if r.Status.ResetID != "" {
			reset++
		}
	}
	one, two := all[0].Status.Steps[0], all[1].Status.Steps[0]
	if two.StartTime.Time.Before(one.Time.Time) && one.StartTime.Time.Before(two.Time.Time) {
		t.Errorf("at the same time: from %s to %s, and from %s to %s", one.StartTime, one.Time, two.StartTime, two.Time)
	}
	if all[0].Spec.Path == all[1].Spec.Path || reset == 0 {
		t.Errorf("about %s and %s, with %d resets of counters", all[0].Spec.Path, all[1].Spec.Path, reset)
	}
	for addr, was := range before.Ways {
		if n := s.reading().Ways[addr].ControllerCounts[nvmehost.Resets] - was.ControllerCounts[nvmehost.Resets]; n != 1 {
			t.Errorf("the controller to %s was reset %d times, want once", addr, n)
		}
	}
	s.goesOn()
	s.endRemediated()
}

// TestRemediationAPIServerAway repairs a flapping path while nobody can be asked:
// nothing is done until it can be written down, and then it is.
func TestRemediationAPIServerAway(t *testing.T) {
	s := newScene(t, alphaOn)
	s.policy(strict, "10m")
	s.start()
	set := s.flap()
	before := s.reading()
	s.lab.StopAPIServer()
	s.repair()
	s.goesOnUntil(time.Now().Add(time.Minute))
	s.notReset(before, 0, 1)
	must(t, s.lab.StartAPIServer(s.ctx))
	s.until("a remediation", func() (bool, error) {
		all, err := s.lab.Remediations(s.ctx, set.Name)
		return len(all) == 1, err
	})
	r := s.remediated(set, 1)[0]
	if got, want := lab.Outcome(r), lab.Done("ResetController", "ResetCounters"); got != want {
		t.Errorf("the remediation has come to %s, want %s", got, want)
	}
	s.wasReset(before, s.reading())
	s.goesOn()
	s.endRemediated()
}
