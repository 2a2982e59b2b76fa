package agent

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/remediation"
)

// attempts are the steps on record that were begun, oldest first, without what the
// asking record is at.
func attempts(records []record, asking types.UID) []remediation.Attempt {
	var all []remediation.Attempt
	for _, r := range records {
		for _, step := range r.Status.Steps {
			if a, begun := attempt(r, step); begun && (r.UID != asking || !a.Ended.IsZero()) {
				all = append(all, a)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b remediation.Attempt) int { return a.Began.Compare(b.Began) })
	return all
}

// attempt is what a step on record was, if it was begun. One that a node was
// refused to take by itself counts too, so that it is not asked for again at
// once.
func attempt(r record, s v1alpha1.RemediationStep) (remediation.Attempt, bool) {
	a := remediation.Attempt{Step: remediation.Step(s.Action), Path: r.Spec.Path, Requests: s.Requests, Began: timeOf(s.StartTime), Ended: timeOf(s.Time)}
	if a.Began.IsZero() {
		a.Began = a.Ended
	}
	if a.Step == remediation.ResetCounters {
		a.Path = r.volume
	}
	switch s.Outcome {
	case v1alpha1.StepSkipped:
		return a, false
	case v1alpha1.StepRefused:
		return a, r.Spec.PolicyName != ""
	}
	return a, true
}

// timeOf is a time of the API; zero where there is none.
func timeOf(t *metav1.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}

// waiting tells whether an open record asks for something that was not begun.
func waiting(r *v1alpha1.NVMePathRemediation) bool { return len(r.Status.Steps) == 0 }
