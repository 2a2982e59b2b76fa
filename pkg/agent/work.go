package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/remediation"
)

// work is one remediation while it is carried out. Its status is the journal,
// and newer than what the API server has while unwritten.
type work struct {
	*executor
	r         *v1alpha1.NVMePathRemediation
	status    v1alpha1.NVMePathRemediationStatus
	unwritten bool
	// requests are the evidence's when the step at hand was permitted.
	requests string
}

// maxWait is the longest time between two looks at a path that is to prove
// itself.
const maxWait = 15 * time.Second

// errNotStaged: the volume is not on this node, or not any more.
var errNotStaged = errors.New("the path set is not on the node")

// refusal is why something was not begun.
type refusal struct{ remediation.Decision }

func (e refusal) Error() string { return e.Message }

// goOn begins a remediation or goes on with it. It returns when to come back if
// there is something to wait for; the error says that nobody knows yet what came
// of it, or that it could not be written down.
func (w *work) goOn(ctx context.Context) (time.Duration, error) {
	if w.status.StartTime == nil {
		w.status.StartTime = stamp(w.now())
		w.conclude(metav1.ConditionUnknown, v1alpha1.ReasonRunning, "the node is working on it")
		w.unwritten = true
	}
	if err := w.write(ctx); err != nil || w.status.CompletionTime != nil {
		return 0, err
	}
	failure, wait, err := w.steps(ctx)
	if err != nil || wait > 0 {
		return wait, err
	}
	w.complete(failure)
	return 0, w.write(ctx)
}

// complete closes the record.
func (w *work) complete(failure error) {
	w.unwritten, w.status.CompletionTime = true, stamp(w.now())
	var refused refusal
	switch {
	case failure == nil:
		w.conclude(metav1.ConditionTrue, v1alpha1.ReasonDone, "every action is done")
	case errors.Is(failure, errNotStaged):
		w.conclude(metav1.ConditionFalse, v1alpha1.ReasonNotStaged, errNotStaged.Error())
	case errors.As(failure, &refused):
		w.conclude(metav1.ConditionFalse, cmp.Or(string(refused.Reason), v1alpha1.ReasonRefused), failure.Error())
	default:
		w.conclude(metav1.ConditionFalse, v1alpha1.ReasonFailed, failure.Error())
	}
}

// write writes the journal, if there is something new in it.
func (w *work) write(ctx context.Context) error {
	if !w.unwritten {
		return nil
	}
	ac, err := remediationStatus(w.r.Name, w.r.UID, w.status)
	if err != nil {
		return err
	}
	err = request(ctx, func(ctx context.Context) error {
		return w.api.Status().Apply(ctx, ac, fieldManager, client.ForceOwnership)
	})
	if err != nil {
		return fmt.Errorf("status of remediation %s: %w", w.r.Name, err)
	}
	w.unwritten = false
	return nil
}

// conclude sets the condition.
func (w *work) conclude(is metav1.ConditionStatus, reason, message string) {
	w.status.Conditions = slices.Clone(w.status.Conditions)
	meta.SetStatusCondition(&w.status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionSucceeded, Status: is, Reason: reason, Message: line(message, maxMessage), LastTransitionTime: *stamp(w.now()),
	})
}

// steps does one action after the other, up to the first that fails, and notes
// what came of each. failure is what failed; wait is for how long there is
// nothing to do yet; err says that nobody knows.
func (w *work) steps(ctx context.Context) (failure error, wait time.Duration, err error) {
	// A reset on record was made by a run that died, and so was all before it.
	past := 0
	reset, ok := w.layer.ResetOf(string(w.r.UID))
	if ok {
		past = 1 + slices.Index(w.r.Spec.Actions, v1alpha1.ActionResetCounters)
		noteReset(&w.status, reset)
	}
	for i, action := range w.r.Spec.Actions {
		switch recorded := i < len(w.status.Steps); {
		case recorded && w.status.Steps[i].Time != nil:
			failure = cmp.Or(failure, failureOf(&w.status.Steps[i]))
		case i < past:
			*w.step(i) = v1alpha1.RemediationStep{Action: action, Outcome: v1alpha1.StepDone, Time: stamp(reset.At), Message: "done before braid-node was started again"}
		case failure != nil:
			w.step(i).Outcome = v1alpha1.StepSkipped
		case recorded:
			failure = w.end(w.step(i), errInterrupted)
		case action == v1alpha1.ActionResetCounters:
			failure, wait, err = w.resetWhenWell(ctx, i)
		default:
			failure, err = w.do(ctx, i, action)
		}
		if err != nil || wait > 0 {
			return nil, wait, err
		}
	}
	if failure == nil && !slices.Contains(w.r.Spec.Actions, v1alpha1.ActionResetCounters) {
		return w.verify(ctx, len(w.r.Spec.Actions))
	}
	return failure, 0, nil
}

// resetWhenWell resets counters, after the path that was mended before has proved
// itself. If anything else is wrong by then they stay as they are: a policy resets
// them once it is not.
func (w *work) resetWhenWell(ctx context.Context, i int) (failure error, wait time.Duration, err error) {
	if failure, wait, err = w.verify(ctx, i); err != nil || wait > 0 {
		return nil, wait, err
	}
	if failure != nil {
		w.step(i).Outcome = v1alpha1.StepSkipped
		return failure, 0, nil
	}
	if wait, err = w.quiet(ctx); err != nil || wait > 0 {
		return nil, wait, err
	}
	failure, err = w.do(ctx, i, v1alpha1.ActionResetCounters)
	if err == nil && errors.As(failure, new(refusal)) && !w.repaired(i).IsZero() {
		w.step(i).Outcome, failure = v1alpha1.StepSkipped, nil
	}
	return failure, 0, err
}

// errInterrupted is what became of a step that was begun by a run that died.
var errInterrupted = errors.New("braid-node ended meanwhile: whether it was done is not known")

// step returns the i-th step of the record, made if it is not there.
func (w *work) step(i int) *v1alpha1.RemediationStep {
	for len(w.status.Steps) <= i {
		w.status.Steps = append(w.status.Steps, v1alpha1.RemediationStep{Action: w.r.Spec.Actions[len(w.status.Steps)]})
	}
	return &w.status.Steps[i]
}

// failureOf is why a step on record did not succeed, nil if it did.
func failureOf(s *v1alpha1.RemediationStep) error {
	switch s.Outcome {
	case v1alpha1.StepFailed:
		return fmt.Errorf("%s: %s", s.Action, s.Message)
	case v1alpha1.StepRefused:
		return fmt.Errorf("%s: %w", s.Action, refusal{remediation.Decision{Reason: remediation.Reason(s.Reason), Message: s.Message}})
	}
	return nil
}

// do does one action and notes what came of it.
func (w *work) do(ctx context.Context, i int, action v1alpha1.RemediationAction) (failure, err error) {
	set := w.pathSet(w.r.Spec.PathSet)
	message, err := w.act(ctx, set, i, action)
	if err != nil && (ctx.Err() != nil || errors.Is(err, ledger.ErrResetPending) || errors.Is(err, errJournal) || errors.Is(err, errUnheard)) {
		return nil, err
	}
	step := w.step(i)
	if err == nil {
		step.Outcome, step.Time, step.Message = v1alpha1.StepDone, stamp(w.now()), message
		return nil, nil
	}
	if failure = w.end(step, err); w.pathSet(w.r.Spec.PathSet) == nil {
		failure = errNotStaged // it has left while we were at it
	}
	return failure, nil
}

// end notes why a step did not succeed.
func (w *work) end(step *v1alpha1.RemediationStep, why error) error {
	step.Outcome, step.Time, step.Message = v1alpha1.StepFailed, stamp(w.now()), line(why.Error(), maxMessage)
	var refused refusal
	switch {
	case errors.As(why, &refused):
		step.Outcome, step.Reason = v1alpha1.StepRefused, string(refused.Reason)
	case errors.Is(why, multipath.ErrBusy):
		step.Outcome, step.Reason = v1alpha1.StepRefused, string(remediation.InProgress)
	case errors.Is(why, multipath.ErrUnfit):
		step.Outcome, step.Reason = v1alpha1.StepRefused, string(remediation.NoStepFits)
	case errors.Is(why, errInterrupted):
		step.Reason = "Interrupted"
	}
	step.Requests = w.requests
	return failureOf(step)
}

// tried says what was tried, for people.
func (w *work) tried() string {
	var all []string
	for _, s := range w.status.Steps {
		if s.StartTime != nil || s.Time != nil {
			all = append(all, fmt.Sprintf("%s: %s", s.Action, s.Outcome))
		}
	}
	return strings.Join(all, ", ")
}
