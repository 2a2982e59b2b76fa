package lab

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// Remediations are those of a path set, the oldest first.
func (l *Lab) Remediations(ctx context.Context, pathSet string) ([]v1alpha1.NVMePathRemediation, error) {
	var list v1alpha1.NVMePathRemediationList
	err := l.get(ctx, &list, "nvmepathremediations", "--field-selector=spec.pathSet="+pathSet)
	slices.SortFunc(list.Items, func(a, b v1alpha1.NVMePathRemediation) int {
		return a.CreationTimestamp.Compare(b.CreationTimestamp.Time)
	})
	return list.Items, err
}

// WaitRemediations waits until a path set has as many remediations as that, all
// of them over.
func (l *Lab) WaitRemediations(ctx context.Context, pathSet string, n int) ([]v1alpha1.NVMePathRemediation, error) {
	var all []v1alpha1.NVMePathRemediation
	err := until(ctx, fmt.Sprintf("%d remediations of %s to be over", n, pathSet), func() (_ bool, err error) {
		all, err = l.Remediations(ctx, pathSet)
		return len(all) >= n && !slices.ContainsFunc(all, func(r v1alpha1.NVMePathRemediation) bool { return r.Status.CompletionTime == nil }), err
	})
	if err != nil {
		err = fmt.Errorf("%w\nlast seen: %s", err, SketchRemediations(all))
	}
	return all, err
}

// SketchRemediations is each on a line.
func SketchRemediations(all []v1alpha1.NVMePathRemediation) string {
	var b strings.Builder
	for _, r := range all {
		fmt.Fprintf(&b, "\n  %s by %s: %s", r.Name, r.Spec.RequestedBy, Outcome(r))
		for _, c := range r.Status.Conditions {
			fmt.Fprintf(&b, " (%s)", c.Message)
		}
	}
	return b.String()
}

// Outcome is what came of a remediation, in a few words.
func Outcome(r v1alpha1.NVMePathRemediation) string {
	words := []string{"nothing yet"}
	for _, c := range r.Status.Conditions {
		if c.Type == v1alpha1.ConditionSucceeded {
			words[0] = fmt.Sprintf("%s/%s", c.Status, c.Reason)
		}
	}
	for _, s := range r.Status.Steps {
		word := fmt.Sprintf("%s %s", s.Action, s.Outcome)
		if s.Reason != "" {
			word += "/" + s.Reason
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

// Done is the outcome of a remediation of which every action is done.
func Done(actions ...v1alpha1.RemediationAction) string {
	words := []string{string(metav1.ConditionTrue) + "/" + v1alpha1.ReasonDone}
	for _, a := range actions {
		words = append(words, string(a)+" Done")
	}
	return strings.Join(words, ", ")
}
