package kubectl

import (
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// requested is what something is that nobody has taken up yet.
const requested = "Requested"

// outcome is the Succeeded condition; before the node has taken it up, one
// that says so.
func outcome(r *v1alpha1.NVMePathRemediation) metav1.Condition {
	if c := meta.FindStatusCondition(r.Status.Conditions, v1alpha1.ConditionSucceeded); c != nil {
		return *c
	}
	return metav1.Condition{Status: metav1.ConditionUnknown, Reason: requested}
}

func actionWords(all []v1alpha1.RemediationAction) []string {
	var words []string
	for _, a := range all {
		words = append(words, string(a))
	}
	return words
}

func actionNames(all []v1alpha1.RemediationAction) string {
	return strings.Join(actionWords(all), ", ")
}

func (p *plugin) printRecord(o output, r *v1alpha1.NVMePathRemediation) error {
	return p.print(o, r, func(page *page) { page.record(r) })
}

// record writes what was asked for and what came of it.
func (p *page) record(r *v1alpha1.NVMePathRemediation) {
	c := outcome(r)
	result := c.Reason
	if c.Message != "" {
		result += ": " + c.Message
	}
	p.fields([][2]string{
		{"Remediation", r.Name},
		{"Path set", r.Spec.PathSet + " on " + r.Spec.NodeName},
		{"Actions", actionNames(r.Spec.Actions)},
		{"Requested by", r.Spec.RequestedBy},
		{"Reason", r.Spec.Reason},
		{"Outcome", result},
		{"Completed", p.ago(r.Status.CompletionTime)},
	})
	if len(r.Status.Steps) > 0 {
		var rows [][]string
		for _, s := range r.Status.Steps {
			rows = append(rows, []string{string(s.Action), string(s.Outcome), s.Message})
		}
		p.line("Steps:")
		p.table("  ", "ACTION\tOUTCOME\tMESSAGE", rows)
	}
	if len(r.Status.Counters) > 0 {
		p.line("Counters:")
		p.counters(r.Status.Counters)
	}
}

// counters shows those that had counted something; most never do.
func (p *page) counters(all []v1alpha1.CounterChange) {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	var rows [][]string
	for _, c := range all {
		if c.Before != 0 || c.After != 0 {
			rows = append(rows, []string{c.Of, c.Counter, number(c.Before), number(c.After), number(c.Lifetime)})
		}
	}
	if len(rows) > 0 {
		p.table("  ", "OF\tCOUNTER\tBEFORE\tAFTER\tLIFETIME", rows)
	}
	if zero := len(all) - len(rows); zero > 0 {
		p.line("  %s at 0 before and after", plural(zero, "counter"))
	}
}
