package controller

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// survey is how far the paths are that a maintenance is about. Each is in one of
// drained, refused and waiting: what its node has not said of it is not assumed.
type survey struct {
	paths, usable, drained int32
	// refused are those that their nodes do not take down, waiting those of which
	// nothing is known yet, away those that are not back.
	refused, waiting, away some
}

// some are a number of things, of which one is named: always the same, so that
// what is said of them changes no more often than they do.
type some struct {
	n   int32
	one string
}

func (s *some) add(what string) {
	if s.n++; s.n == 1 || what < s.one {
		s.one = what
	}
}

func (s some) String() string {
	if s.n > 1 {
		return fmt.Sprintf("%s, and %d more", s.one, s.n-1)
	}
	return s.one
}

// surveyOf looks at the paths of all of these path sets.
func surveyOf(one *v1alpha1.NVMePathMaintenance, sets []v1alpha1.NVMePathSet) survey {
	var s survey
	for i := range sets {
		set := &sets[i]
		if names := one.Spec.NodeNames; len(names) > 0 && !slices.Contains(names, set.Spec.NodeName) {
			continue
		}
		paths := pathsOf(set)
		for j := range paths {
			if p := &paths[j]; v1alpha1.TargetOf(p.Address) == one.Spec.Address {
				s.see(one.Name, volumeOn(set), p)
			}
		}
	}
	return s
}

// see takes up one path.
func (s *survey) see(name, volume string, p *v1alpha1.PathStatus) {
	s.paths++
	if p.Usable {
		s.usable++
	}
	var said v1alpha1.PathMaintenance
	if p.Maintenance != nil {
		said = *p.Maintenance
	}
	switch {
	case !p.Usable && said.State == v1alpha1.MaintenanceDrained:
		s.drained++
	case said.State == v1alpha1.MaintenanceRefused:
		s.refused.add(volume + ": " + said.Message)
	case said.Message != "":
		s.waiting.add(volume + ": " + said.Message)
	default:
		s.waiting.add(volume)
	}
	if p.Expected && (!p.Usable || said.Name == name) {
		s.away.add(volume)
	}
}

// volumeOn names a path set's volume and node for people.
func volumeOn(set *v1alpha1.NVMePathSet) string {
	volume := set.Name
	if c := set.Spec.ClaimRef; c != nil {
		volume = c.Namespace + "/" + c.Name
	}
	return volume + " on " + set.Spec.NodeName
}

// maxMessage is what the definition allows.
const maxMessage = 1024

// summary is the status that a maintenance shall have.
func summary(one *v1alpha1.NVMePathMaintenance, s survey, now time.Time) v1alpha1.NVMePathMaintenanceStatus {
	end := metav1.NewTime(until(one))
	status := v1alpha1.NVMePathMaintenanceStatus{
		Conditions: slices.Clone(one.Status.Conditions), Until: &end,
		Paths: s.paths, DrainedPaths: s.drained, RefusedPaths: s.refused.n, UsablePaths: s.usable,
	}
	say := func(c metav1.Condition) {
		c.Message = strings.ToValidUTF8(c.Message[:min(len(c.Message), maxMessage)], "")
		c.ObservedGeneration, c.LastTransitionTime = one.Generation, metav1.NewTime(now.Truncate(time.Second))
		meta.SetStatusCondition(&status.Conditions, c)
	}
	if !ended(one, now) {
		say(s.drainedCondition())
		return status
	}
	say(metav1.Condition{
		Type: v1alpha1.ConditionDrained, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonEnded, Message: "the maintenance is over: paths are brought back",
	})
	say(s.returnedCondition())
	return status
}

// drainedCondition tells whether the work can begin.
func (s survey) drainedCondition() metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionDrained, Status: metav1.ConditionFalse}
	say := []string{fmt.Sprintf("%d of %d paths drained", s.drained, s.paths)}
	if s.waiting.n > 0 {
		c.Reason, say = v1alpha1.ReasonDraining, append(say, "waiting for "+s.waiting.String())
	}
	if s.refused.n > 0 { // which comes first: somebody has to do something about it
		c.Reason, say = v1alpha1.ReasonDrainRefused, slices.Insert(say, 1, "refused for "+s.refused.String())
	}
	c.Message = strings.Join(say, "; ")
	switch {
	case c.Reason != "":
	case s.paths == 0:
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, v1alpha1.ReasonNoPaths, "no path of any volume leads there"
	default:
		c.Status, c.Reason = metav1.ConditionTrue, v1alpha1.ReasonDrained
	}
	return c
}

// returnedCondition tells, after the end, whether all is as it was.
func (s survey) returnedCondition() metav1.Condition {
	if s.away.n > 0 {
		return metav1.Condition{
			Type: v1alpha1.ConditionReturned, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonReturning,
			Message: fmt.Sprintf("%d of %d paths usable; not known to be back for %s", s.usable, s.paths, s.away),
		}
	}
	return metav1.Condition{
		Type: v1alpha1.ConditionReturned, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReturned,
		Message: fmt.Sprintf("%d of %d paths usable", s.usable, s.paths),
	}
}
