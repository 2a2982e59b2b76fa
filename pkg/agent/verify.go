package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/remediation"
)

// verify has a path prove itself after what was done to it by the first n
// actions, before counters are reset or the record is closed. failure says that
// the fault is still there; wait is for how long that is not known.
func (w *work) verify(ctx context.Context, n int) (failure error, wait time.Duration, err error) {
	ended := w.repaired(n)
	if ended.IsZero() {
		return nil, 0, nil
	}
	set := w.pathSet(w.r.Spec.PathSet)
	if set == nil {
		return errNotStaged, 0, nil
	}
	records, r, err := w.surroundings(ctx, set)
	if err != nil {
		return nil, 0, err
	}
	s := w.situation(ctx, set, w.layer.Subsystem(set.SubsystemNQN), r, attempts(records, ""))
	d := remediation.Verify(r.remediation, s, w.r.Spec.Path, ended)
	switch d.Reason {
	case remediation.Over:
		return nil, 0, nil
	case remediation.Stabilizing:
		return nil, w.later(d.At), w.stabilizing(ctx, d.Message)
	}
	d.Message = fmt.Sprintf("%s (%s)", d.Message, w.tried())
	return refusal{d}, 0, nil
}

// quiet has a policy's reset of counters wait where it is too soon after all: a
// braid-node that has just started does not know for how long paths were usable.
func (w *work) quiet(ctx context.Context) (wait time.Duration, err error) {
	set := w.pathSet(w.r.Spec.PathSet)
	if set == nil || w.r.Spec.PolicyName == "" || len(w.r.Spec.Actions) > 1 {
		return 0, nil
	}
	var refused refusal
	if err = w.wanted(ctx, set, remediation.ResetCounters); !errors.As(err, &refused) {
		return 0, err
	}
	if refused.Reason != remediation.Stabilizing {
		return 0, nil // which is for the step to say
	}
	return w.later(refused.At), w.stabilizing(ctx, refused.Message)
}

// later is for how long to wait until then, or for another look.
func (w *work) later(at time.Time) time.Duration {
	return min(max(at.Sub(w.now()), roundInterval), maxWait)
}

// repaired is when the last of the first n actions ended that was to mend the
// path; zero if there was none.
func (w *work) repaired(n int) time.Time {
	var ended time.Time
	for _, step := range w.status.Steps[:n] {
		// A rescan that somebody asked for is of everything, and mends no path.
		mends := step.Action != v1alpha1.ActionResetCounters && (step.Action != v1alpha1.ActionRescan || w.r.Spec.PolicyName != "")
		if mends && step.Outcome == v1alpha1.StepDone {
			ended = timeOf(step.Time)
		}
	}
	return ended
}

// stabilizing writes down, once, that the path is to prove itself.
func (w *work) stabilizing(ctx context.Context, message string) error {
	if c := succeeded(&w.status); c != nil && c.Reason == string(remediation.Stabilizing) {
		return nil
	}
	w.conclude(metav1.ConditionUnknown, string(remediation.Stabilizing), message)
	w.unwritten = true
	return w.write(ctx)
}

// tellEnd tells what came of a remediation that a policy asked for.
func (x *executor) tellEnd(r *v1alpha1.NVMePathRemediation, s *v1alpha1.NVMePathRemediationStatus) {
	c := succeeded(s)
	if r.Spec.PolicyName == "" || c == nil || s.CompletionTime == nil {
		return
	}
	h := happening{s.CompletionTime.Time, false, reasonRemediated, fmt.Sprintf("%s %v by policy %s (%s)", r.Spec.Path, r.Spec.Actions, r.Spec.PolicyName, r.Name)}
	if c.Status != metav1.ConditionTrue {
		h.warning, h.reason, h.about = true, reasonRemediationFailed, h.about+": "+c.Reason+": "+c.Message
	}
	x.tell(r.Spec.PathSet, h)
}
