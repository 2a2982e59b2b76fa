package kubernetes

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/hack/lab"
	"github.com/braid-csi/braid/hack/nvmet"
	"github.com/braid-csi/braid/hack/rig"
	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// mute is the reason of the finding where a path does not answer though the
// kernel calls it live.
const mute = "PathUnresponsive"

// TestRemediationStandbyBroken has an idle path lose all large packets. Its
// keep-alives are answered, so for the kernel it is as live as before, until it is
// asked for something large: then they wait behind the answer that is lost. That
// it is of no use is said before it is needed, and nothing is done to it.
func TestRemediationStandbyBroken(t *testing.T) {
	s := newScene(t, alphaOn)
	s.policy(everything, 32)
	set := s.start()
	must(t, s.rig.SetANAState(s.ctx, 1, 1, nvmet.NonOptimized))
	s.waitSet("the second path to be a standby", func(set v1alpha1.NVMePathSet) error {
		p, err := check.PathTo(set, s.addr(1))
		if err == nil && p.ANAState != "non-optimized" {
			err = fmt.Errorf("its ANA state is %s", p.ANAState)
		}
		return errors.Join(err, lab.Healthy(set))
	})
	before := s.reading()
	must(t, s.rig.Inject(s.ctx, 1, rig.LargeLost))
	s.waitSet("the standby to be called unresponsive", func(set v1alpha1.NVMePathSet) error {
		return errors.Join(usable(set, s.addr(1), true), lab.HasCondition(set, v1alpha1.ConditionRedundant, metav1.ConditionFalse, mute))
	})
	s.events(set, mute)
	s.describes(set, mute, "does not answer: tcp://"+s.addr(1).String())
	s.goesOn()
	must(t, s.rig.Clear(s.ctx, 1, rig.LargeLost))
	s.healthyAgain()
	s.goesOn()
	s.untouched(set)
	s.notReset(before, 0)
	s.endRemediated()
}

// TestRemediationMTUGrey has a path under I/O lose the large packets that come
// from the target: what was read hangs, over connections that acknowledge all that
// is sent. That is no evidence of a dead path: a policy that may do everything does
// nothing about it. The kernel's own timeouts end it.
func TestRemediationMTUGrey(t *testing.T) {
	s := newScene(t, alphaOn)
	s.policy(everything, 32)
	set := s.start()
	before := s.reading()
	must(t, s.rig.Inject(s.ctx, 0, rig.LargeLost))
	s.givenUp(0)
	must(t, s.rig.Clear(s.ctx, 0, rig.LargeLost))
	s.goesOn()
	s.usableAgain(0)
	s.t.Logf("left to the kernel: slowest I/O %.1f s", s.slowest().Seconds())
	s.remediated(set, 1) // when all is quiet, counters are reset
	s.untouched(set)
	s.notReset(before, 1)
	s.healthyAgain()
	s.goesOn()
	s.endRemediated()
}

// untouched wants nothing to have been asked for that is done to a path.
func (s *scene) untouched(set v1alpha1.NVMePathSet) {
	s.t.Helper()
	all, err := s.lab.Remediations(s.ctx, set.Name)
	must(s.t, err)
	for _, r := range all {
		if r.Spec.Path != "" || r.Spec.Actions[0] != v1alpha1.ActionResetCounters {
			s.t.Errorf("%s asks for %v of %q: %s", r.Name, r.Spec.Actions, r.Spec.Path, r.Spec.Reason)
		}
	}
}

// describes wants kubectl describe to say something of the path set.
func (s *scene) describes(set v1alpha1.NVMePathSet, says ...string) {
	s.t.Helper()
	described, err := s.lab.Run(s.ctx, "kubectl", "describe", "nvmepathset", set.Name)
	must(s.t, err)
	for _, what := range says {
		if !strings.Contains(described.Output, what) {
			s.t.Errorf("kubectl describe does not say %q:\n%s", what, described.Output)
		}
	}
}
