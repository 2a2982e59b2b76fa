package agent

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
)

// aspect is a condition and the findings that make it false.
type aspect struct {
	condition string
	reasons   []health.Reason
	well      string // what is so while none of them is there
}

var aspects = []aspect{
	{v1alpha1.ConditionAvailable, []health.Reason{health.NoUsablePath, health.NamespaceIdentityChanged, health.DeviceVanished}, "I/O can reach the volume"},
	{v1alpha1.ConditionRedundant, []health.Reason{health.NoUsablePath, health.PathRedundancyLost, health.PathDown, health.PathUnresponsive}, "the volume has the paths it asks for"},
	{v1alpha1.ConditionOptimized, []health.Reason{health.NoOptimizedPath}, "I/O takes paths that the target calls optimized"},
	{v1alpha1.ConditionStable, []health.Reason{health.PathFlapping, health.PathUnstable, health.PathMarginal}, "no path comes and goes"},
}

// worst returns the first of the findings, which are worst first, that the
// aspect is about.
func (a aspect) worst(found []health.Finding) (health.Finding, bool) {
	i := slices.IndexFunc(found, func(f health.Finding) bool { return slices.Contains(a.reasons, f.Reason) })
	if i < 0 {
		return health.Finding{}, false
	}
	return found[i], true
}

// conditions returns what is so of a path set at the time at. One whose status
// is as in before keeps the time since when it is.
//
//	                device found, nothing found wrong
//	Unknown/Staging ---------------------------------> True/Healthy <---+
//	       |                                               |            |
//	       +--------------- a finding ---------------> False/REASON ----+
//	                                                         the finding goes
//
// Redundant stays unknown, and Ready with it, while paths are being connected
// for the first time and nothing is known against them: that they are there
// was not seen yet.
func conditions(before []metav1.Condition, set *multipath.PathSet, found []health.Finding, at time.Time) []metav1.Condition {
	pending := set.Device.State == multipath.DevicePending
	var all []metav1.Condition
	ready := metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonHealthy, Message: usable(set)}
	for _, a := range aspects {
		c := metav1.Condition{Type: a.condition, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonHealthy, Message: a.well}
		f, wrong := a.worst(found)
		switch {
		case wrong:
			c.Status, c.Reason, c.Message = metav1.ConditionFalse, string(f.Reason), f.Message
		case pending:
			c.Status, c.Reason, c.Message = metav1.ConditionUnknown, v1alpha1.ReasonStaging, "the volume is being staged"
		case a.condition == v1alpha1.ConditionRedundant && resting(set) != "":
			c.Status, c.Reason, c.Message = metav1.ConditionFalse, v1alpha1.ReasonMaintenance, line(usable(set)+"; "+resting(set), maxMessage)
		case a.condition == v1alpha1.ConditionRedundant && missing(set) && !seenBefore(before, a.condition):
			c.Status, c.Reason, c.Message = metav1.ConditionUnknown, v1alpha1.ReasonStaging, "paths are being connected: "+usable(set)
		}
		if c.Status == metav1.ConditionUnknown {
			ready.Status, ready.Reason, ready.Message = c.Status, c.Reason, c.Message
		}
		all = append(all, c)
	}
	if len(found) > 0 {
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, string(found[0].Reason), summed(found)
	}
	all = append([]metav1.Condition{ready}, all...)
	for i := range all {
		all[i].LastTransitionTime = *stamp(at)
		if was := meta.FindStatusCondition(before, all[i].Type); was != nil && was.Status == all[i].Status {
			all[i].LastTransitionTime = was.LastTransitionTime
		}
	}
	return all
}

// seenBefore tells whether a condition was true or false before.
func seenBefore(before []metav1.Condition, condition string) bool {
	c := meta.FindStatusCondition(before, condition)
	return c != nil && c.Status != metav1.ConditionUnknown
}

// missing tells whether the volume asks for a path that is not usable.
func missing(set *multipath.PathSet) bool { return usableExpected(set) < set.Expected }

// resting says which of the paths that the volume asks for are not usable because
// they are worked on, "" for none. That is on record, and no finding.
func resting(set *multipath.PathSet) string {
	var all []string
	for i := range set.Paths {
		if p := &set.Paths[i]; p.Expected && !p.Usable() && p.Maintenance != nil {
			all = append(all, fmt.Sprintf("%s is under maintenance: %s", p.Address, p.Maintenance.Reason))
		}
	}
	return strings.Join(all, "; ")
}

// usable says how many of the expected paths are, as the findings do.
func usable(set *multipath.PathSet) string {
	noun := "paths"
	if set.Expected == 1 {
		noun = "path"
	}
	return fmt.Sprintf("%d of %d %s usable", usableExpected(set), set.Expected, noun)
}

// usableExpected counts the usable paths that the volume asks for.
func usableExpected(set *multipath.PathSet) int {
	n := 0
	for i := range set.Paths {
		if p := &set.Paths[i]; p.Expected && p.Usable() {
			n++
		}
	}
	return n
}

// summed is the message of the worst finding, and what else there is.
func summed(found []health.Finding) string {
	if len(found) == 1 {
		return found[0].Message
	}
	var others []string
	for _, f := range found[1:] {
		others = append(others, string(f.Reason))
	}
	return fmt.Sprintf("%s (also: %s)", found[0].Message, strings.Join(others, ", "))
}
