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
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
)

const (
	// actionTimeout bounds one action.
	actionTimeout = 30 * time.Second
	// snapshotWait is how often it is looked whether the layer has seen the
	// node yet.
	snapshotWait = time.Second

	maxCounters = 512
	maxMessage  = 1024
)

// remedies are what the layer can do about a path set.
type remedies interface {
	Snapshot() *multipath.Snapshot
	Rescan(ctx context.Context, volumeID, devNum string) (multipath.Device, error)
	Reset(ctx context.Context, volumeID string, req ledger.ResetRequest) (ledger.Reset, error)
	ResetOf(request string) (ledger.Reset, bool)
}

// executor carries out the remediations of this node, one at a time and each
// once.
//
//	requested --> Unknown/Running --> actions --> True/Done
//	  (startTime is written first)       |
//	                                     +------> False/ActionFailed
//	                                     +------> False/PathSetNotFound
//
// Should braid-node die after the first write, its next run begins the actions
// again. To rescan twice does no harm, and a reset goes by the name of the
// request, the remediation's UID: the ledger knows what came of it, and does it
// no second time.
type executor struct {
	node  string
	api   client.Client
	layer remedies
	now   func() time.Time
	// done are the records that could not be written yet.
	done map[types.UID]v1alpha1.NVMePathRemediationStatus
}

func newExecutor(node string, api client.Client, l remedies, now func() time.Time) *executor {
	return &executor{node: node, api: api, layer: l, now: now, done: map[types.UID]v1alpha1.NVMePathRemediationStatus{}}
}

// Reconcile carries a remediation out, unless that was done.
func (x *executor) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	var r v1alpha1.NVMePathRemediation
	// Not from a cache: it might not have what was written last.
	err := request(ctx, func(ctx context.Context) error { return x.api.Get(ctx, req.NamespacedName, &r) })
	switch {
	case err != nil:
		return reconcile.Result{}, client.IgnoreNotFound(err)
	case r.Spec.NodeName != x.node || over(&r) || r.DeletionTimestamp != nil:
		delete(x.done, r.UID)
		return reconcile.Result{}, nil
	case x.layer.Snapshot() == nil: // nothing is known of the node yet
		return reconcile.Result{RequeueAfter: snapshotWait}, nil
	}
	status, ok := x.done[r.UID]
	if !ok {
		if status, err = x.carryOut(ctx, &r); err != nil {
			return reconcile.Result{}, client.IgnoreNotFound(err)
		}
		x.done[r.UID] = status
	}
	if err := client.IgnoreNotFound(x.write(ctx, &r, status)); err != nil {
		return reconcile.Result{}, err
	}
	delete(x.done, r.UID)
	c := succeeded(&status)
	klog.FromContext(ctx).Info("Remediation carried out", "remediation", r.Name, "pathSet", r.Spec.PathSet,
		"by", r.Spec.RequestedBy, "succeeded", c.Status, "reason", c.Reason, "reset", status.ResetID)
	return reconcile.Result{}, nil
}

// over tells whether a remediation has its final word.
func over(r *v1alpha1.NVMePathRemediation) bool {
	c := succeeded(&r.Status)
	return c != nil && c.Status != metav1.ConditionUnknown
}

func succeeded(s *v1alpha1.NVMePathRemediationStatus) *metav1.Condition {
	return meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionSucceeded)
}

// carryOut writes that it begins, acts, and returns the record. The error says
// that it has to be begun again.
func (x *executor) carryOut(ctx context.Context, r *v1alpha1.NVMePathRemediation) (v1alpha1.NVMePathRemediationStatus, error) {
	status := v1alpha1.NVMePathRemediationStatus{StartTime: r.Status.StartTime, Conditions: r.Status.Conditions}
	if status.StartTime == nil {
		status.StartTime = stamp(x.now())
		x.conclude(&status, metav1.ConditionUnknown, v1alpha1.ReasonRunning, "the node is working on it")
		if err := x.write(ctx, r, status); err != nil {
			return status, err
		}
	}
	failure, err := x.steps(ctx, r, &status)
	if err != nil {
		return status, err
	}
	status.CompletionTime = stamp(x.now())
	switch {
	case failure == nil:
		x.conclude(&status, metav1.ConditionTrue, v1alpha1.ReasonDone, "every action is done")
	case errors.Is(failure, errNotStaged):
		x.conclude(&status, metav1.ConditionFalse, v1alpha1.ReasonNotStaged, errNotStaged.Error())
	default:
		x.conclude(&status, metav1.ConditionFalse, v1alpha1.ReasonFailed, failure.Error())
	}
	return status, nil
}

// conclude sets the condition.
func (x *executor) conclude(s *v1alpha1.NVMePathRemediationStatus, is metav1.ConditionStatus, reason, message string) {
	s.Conditions = slices.Clone(s.Conditions)
	meta.SetStatusCondition(&s.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionSucceeded, Status: is, Reason: reason, Message: line(message, maxMessage), LastTransitionTime: *stamp(x.now()),
	})
}

// steps does one action after the other, up to the first that fails, and notes
// what came of each. failure is what failed; err says that nobody knows yet.
func (x *executor) steps(ctx context.Context, r *v1alpha1.NVMePathRemediation, s *v1alpha1.NVMePathRemediationStatus) (failure, err error) {
	set := x.pathSet(r.Spec.PathSet)
	// A reset on record was made by a run that died, and so was all before it.
	past := 0
	reset, ok := x.layer.ResetOf(string(r.UID))
	if ok {
		past = 1 + slices.Index(r.Spec.Actions, v1alpha1.ActionResetCounters)
		noteReset(s, reset)
	}
	for i, a := range r.Spec.Actions {
		step := v1alpha1.RemediationStep{Action: a, Outcome: v1alpha1.StepSkipped}
		switch {
		case i < past:
			step.Outcome, step.Time, step.Message = v1alpha1.StepDone, stamp(reset.At), "done before braid-node was started again"
		case failure == nil:
			message, err := x.act(ctx, r, set, a, s)
			if err != nil && (ctx.Err() != nil || errors.Is(err, ledger.ErrResetPending)) {
				return nil, err
			}
			step.Outcome, step.Time, step.Message = v1alpha1.StepDone, stamp(x.now()), message
			if err != nil {
				step.Outcome, step.Message = v1alpha1.StepFailed, line(err.Error(), maxMessage)
				if failure = fmt.Errorf("%s: %w", a, err); x.pathSet(r.Spec.PathSet) == nil {
					failure = errNotStaged // it has left while we were at it
				}
			}
		}
		s.Steps = append(s.Steps, step)
	}
	return failure, nil
}

// errNotStaged: the volume is not on this node, or not any more.
var errNotStaged = errors.New("the path set is not on the node")

// act does one action and says in words what came of it.
func (x *executor) act(ctx context.Context, r *v1alpha1.NVMePathRemediation, set *multipath.PathSet, a v1alpha1.RemediationAction, s *v1alpha1.NVMePathRemediationStatus) (string, error) {
	if set == nil {
		return "", errNotStaged
	}
	ctx, cancel := context.WithTimeout(ctx, actionTimeout)
	defer cancel()
	switch a {
	case v1alpha1.ActionRescan:
		d, err := x.layer.Rescan(ctx, set.VolumeID, set.Device.DevNum)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%s has %d bytes", line(d.Name, maxName), d.SizeBytes), nil
	case v1alpha1.ActionResetCounters:
		reset, err := x.layer.Reset(ctx, set.VolumeID, ledger.ResetRequest{By: r.Spec.RequestedBy, Reason: r.Spec.Reason, Request: string(r.UID)})
		if err != nil {
			// Some counters may have been reset nevertheless.
			if reset, ok := x.layer.ResetOf(string(r.UID)); ok {
				noteReset(s, reset)
			}
			return "", err
		}
		noteReset(s, reset)
		return "reset " + reset.ID, nil
	}
	return "", fmt.Errorf("this version of braid-node does not know how to %q", string(a))
}

// pathSet returns the path set of that name, nil if it is not on this node.
func (x *executor) pathSet(name string) *multipath.PathSet {
	snap := x.layer.Snapshot()
	for i := range snap.PathSets {
		if Name(x.node, snap.PathSets[i].VolumeID) == name {
			return &snap.PathSets[i]
		}
	}
	return nil
}

// noteReset notes which counters a reset was of.
func noteReset(s *v1alpha1.NVMePathRemediationStatus, r ledger.Reset) {
	s.ResetID, s.Counters = r.ID, nil
	for of, before := range r.Before {
		for c, was := range before {
			is := r.After[of][c]
			s.Counters = append(s.Counters, v1alpha1.CounterChange{
				Of: line(of, maxAddress), Counter: string(c),
				Before: clamp(was.SinceReset), After: clamp(is.SinceReset), Lifetime: clamp(is.Lifetime),
			})
		}
	}
	slices.SortFunc(s.Counters, func(a, b v1alpha1.CounterChange) int {
		return cmp.Or(strings.Compare(a.Of, b.Of), strings.Compare(a.Counter, b.Counter))
	})
	s.Counters = s.Counters[:min(len(s.Counters), maxCounters)]
}

func (x *executor) write(ctx context.Context, r *v1alpha1.NVMePathRemediation, status v1alpha1.NVMePathRemediationStatus) error {
	ac, err := remediationStatus(r.Name, r.UID, status)
	if err != nil {
		return err
	}
	err = request(ctx, func(ctx context.Context) error {
		return x.api.Status().Apply(ctx, ac, fieldManager, client.ForceOwnership)
	})
	if err != nil {
		return fmt.Errorf("status of remediation %s: %w", r.Name, err)
	}
	return nil
}
