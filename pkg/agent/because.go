package agent

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/remediation"
)

// maxReason is the longest reason of a remediation, in characters.
const maxReason = 256

// The reasons of events about what a node does by itself.
const (
	reasonRemediating       = "Remediating"
	reasonRemediated        = "Remediated"
	reasonRemediationFailed = "RemediationFailed"
	// reasonNotRemediated: something is wrong, and the node keeps its hands off.
	reasonNotRemediated = "NotRemediated"
)

// worthTelling are the reasons for doing nothing that somebody should know who
// wonders why nothing is done.
var worthTelling = []remediation.Reason{
	remediation.LastUsablePath, remediation.NotOurs, remediation.SameRequests, remediation.AttemptsExhausted,
	remediation.Suspended, remediation.NoStepFits,
}

// say tells why nothing is done about a path set, when that is news.
func (w *steward) say(ctx context.Context, set *multipath.PathSet, r rules, d remediation.Decision) {
	before := w.against[set.VolumeID]
	if before.Reason == d.Reason && before.Path == d.Path {
		return
	}
	w.against[set.VolumeID] = d
	message := d.Message
	if d.Reason == remediation.Suspended {
		message += ", by policy " + r.why
	}
	klog.FromContext(ctx).V(2).Info("About a path set", "volume", set.VolumeID, "policy", r.name, "step", d.Step, "path", d.Path, "reason", d.Reason, "message", message)
	mends := len(r.remediation.Steps) > 1 || r.remediation.Steps[0] != remediation.ResetCounters
	if slices.Contains(worthTelling, d.Reason) && (mends || d.Reason == remediation.Suspended) {
		w.tell(Name(w.node, set.VolumeID), happening{w.now(), true, reasonNotRemediated, string(d.Reason) + ": " + message})
	}
}

// actions are those of a remediation with a step: that, and a reset of the
// counters after it where the policy has it.
func actions(r rules, step remediation.Step) []v1alpha1.RemediationAction {
	all := []v1alpha1.RemediationAction{v1alpha1.RemediationAction(step)}
	if step != remediation.ResetCounters && slices.Contains(r.remediation.Steps, remediation.ResetCounters) {
		all = append(all, v1alpha1.ActionResetCounters)
	}
	return all
}

// because says why a step is taken.
func because(set *multipath.PathSet, d remediation.Decision) string {
	if d.Step == remediation.ResetCounters {
		return "every path has been usable and quiet for long enough"
	}
	for i := range set.Paths {
		p := &set.Paths[i]
		if p.Key != d.Path {
			continue
		}
		return fmt.Sprintf("%s is %s, usable: %t; its latest of %d episodes ended at %s", p.Key, p.State, p.Usable(),
			len(p.Record.Episodes), p.Record.LastEvent.UTC().Format("15:04:05"))
	}
	return "something is wrong with " + d.Path
}

// lastOf names what was last done about a path set.
func lastOf(name string, records []record) string {
	last := ""
	for _, r := range records {
		if r.Spec.PathSet == name {
			last = max(last, r.CreationTimestamp.UTC().Format("2006-01-02T15:04:05")+string(r.UID))
		}
	}
	return last
}
