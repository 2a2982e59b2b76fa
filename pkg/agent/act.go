package agent

import (
	"context"
	"errors"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/remediation"
)

// errJournal: it could not be written down that a step begins, so it does not.
var errJournal = errors.New("the beginning of a step cannot be written down")

// errUnheard: a policy asked for it, and not all of them were heard of yet, as
// after a start.
var errUnheard = errors.New("the policies for the path set are not known yet")

// maxRequests is how much of their names is kept.
const maxRequests = 256

// act does one action and says in words what came of it.
func (w *work) act(ctx context.Context, set *multipath.PathSet, i int, a v1alpha1.RemediationAction) (string, error) {
	if set == nil {
		return "", errNotStaged
	}
	if w.r.Spec.PolicyName != "" {
		if err := w.wanted(ctx, set, remediation.Step(a)); err != nil {
			return "", err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, actionTimeout)
	defer cancel()
	switch a {
	case v1alpha1.ActionRescan:
		d, err := w.layer.Rescan(ctx, set.VolumeID, set.Device.DevNum)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%s has %d bytes", line(d.Name, maxName), d.SizeBytes), nil
	case v1alpha1.ActionResetController:
		return "the kernel has set it up anew", w.pull(ctx, set, i, w.layer.ResetController)
	case v1alpha1.ActionKickConnection:
		return "its connections were ended, and the kernel connects it anew", w.pull(ctx, set, i, w.layer.KickConnection)
	case v1alpha1.ActionReconnect:
		return "it was taken down, and is connected anew", w.pull(ctx, set, i, w.layer.Reconnect)
	case v1alpha1.ActionBench:
		r, _ := w.policies.forSet(set)
		return "it is out of use for " + r.remediation.BenchTime.String(), w.pull(ctx, set, i, func(ctx context.Context, volumeID, key string, permit multipath.Permit) error {
			return w.layer.Bench(ctx, volumeID, key, r.remediation.BenchTime, permit)
		})
	case v1alpha1.ActionResetCounters:
		return w.resetCounters(ctx, set)
	}
	return "", fmt.Errorf("this version of braid-node does not know how to %q", string(a))
}

// lever does something to the controller of a path, if it is permitted.
type lever func(ctx context.Context, volumeID, key string, permit multipath.Permit) error

// pull uses a lever on the path, after it was written down. What is refused anyhow
// does not begin.
func (w *work) pull(ctx context.Context, set *multipath.PathSet, i int, l lever) error {
	permit, err := w.permit(ctx, set, remediation.Step(w.r.Spec.Actions[i]))
	if err != nil {
		return err
	}
	if err := permit(set, w.layer.Subsystem(set.SubsystemNQN)); err != nil {
		return err
	}
	if err := w.begin(ctx, i); err != nil {
		return err
	}
	return l(ctx, set.VolumeID, w.r.Spec.Path, permit)
}

// surroundings are the records of a path set's subsystem as the API server has them
// now, this one as it is, and what holds for the path set.
func (w *work) surroundings(ctx context.Context, set *multipath.PathSet) ([]record, rules, error) {
	var all v1alpha1.NVMePathRemediationList
	err := request(ctx, func(ctx context.Context) error {
		return w.api.List(ctx, &all, client.MatchingFields{"spec.nodeName": w.node})
	})
	if err != nil {
		return nil, rules{}, fmt.Errorf("%w: %w", errJournal, err)
	}
	for i := range all.Items {
		if all.Items[i].UID == w.r.UID {
			all.Items[i].Status = w.status
		}
	}
	r, known := w.policies.forSet(set)
	if !known && w.r.Spec.PolicyName != "" {
		return nil, rules{}, errUnheard
	}
	w.watch(w.layer.Snapshot())
	return w.sort(all.Items).about(set.SubsystemNQN).records, r, nil
}

// permit returns what tells whether a step may be done, and notes what hangs then.
func (w *work) permit(ctx context.Context, set *multipath.PathSet, step remediation.Step) (multipath.Permit, error) {
	records, r, err := w.surroundings(ctx, set)
	if err != nil {
		return nil, err
	}
	return func(set *multipath.PathSet, sub *multipath.Subsystem) error {
		s := w.situation(ctx, set, sub, r, attempts(records, w.r.UID))
		if d := remediation.Permit(r.remediation, s, step, w.r.Spec.Path); d.Step == "" {
			return refusal{d}
		}
		for i := range set.Paths {
			if p := &set.Paths[i]; p.Key == w.r.Spec.Path {
				w.requests = s.Evidence[p.Controller].Requests
			}
		}
		return nil
	}, nil
}

// wanted refuses a step that the policy would not take any more.
func (w *work) wanted(ctx context.Context, set *multipath.PathSet, step remediation.Step) error {
	records, r, err := w.surroundings(ctx, set)
	if err != nil {
		return err
	}
	s := w.situation(ctx, set, w.layer.Subsystem(set.SubsystemNQN), r, attempts(records, w.r.UID))
	d := remediation.Next(r.remediation, s)
	switch {
	case d.Step == step && (d.Path == w.r.Spec.Path || step == remediation.ResetCounters):
		return nil
	case d.Step != "":
		d.Reason, d.Message = remediation.NoStepFits, fmt.Sprintf("the policy would now take step %s %s", d.Step, d.Path)
	}
	return refusal{d}
}

// begin writes down that the i-th step is begun. If that fails it is not.
func (w *work) begin(ctx context.Context, i int) error {
	*w.step(i) = v1alpha1.RemediationStep{
		Action: w.r.Spec.Actions[i], Outcome: v1alpha1.StepRunning, StartTime: stamp(w.now()), Requests: line(w.requests, maxRequests),
	}
	w.unwritten = true
	if err := w.write(ctx); err != nil {
		w.status.Steps, w.unwritten = w.status.Steps[:i], false
		return fmt.Errorf("%w: %w", errJournal, err)
	}
	return nil
}

// resetCounters zeroes the counters of a path set.
func (w *work) resetCounters(ctx context.Context, set *multipath.PathSet) (string, error) {
	request := string(w.r.UID)
	reset, err := w.layer.Reset(ctx, set.VolumeID, ledger.ResetRequest{By: w.r.Spec.RequestedBy, Reason: w.r.Spec.Reason, Request: request})
	if err != nil {
		// Some counters may have been reset nevertheless.
		if reset, ok := w.layer.ResetOf(request); ok {
			noteReset(&w.status, reset)
		}
		return "", err
	}
	noteReset(&w.status, reset)
	return "reset " + reset.ID, nil
}
