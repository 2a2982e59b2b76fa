package kubectl

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

func (p *plugin) status() *cobra.Command {
	var s selection
	var o output
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show every volume with its paths, worst first",
		Long:    "Show every volume on every node with its usable and expected paths and its failovers since the last reset, worst first.\nVolumes of all namespaces are shown unless --namespace says which.",
		Example: "  kubectl braid status\n  kubectl braid status --namespace shop --node worker-1",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			sets, err := p.list(cmd.Context(), p.widen(s))
			if err != nil {
				return err
			}
			worstFirst(sets)
			return p.print(o, pathSetList(sets), func(page *page) { page.status(sets) })
		},
	}
	p.addSelection(cmd, &s)
	addOutput(cmd, &o)
	return cmd
}

func (p *page) status(sets []v1alpha1.NVMePathSet) {
	if len(sets) == 0 {
		p.line("No volumes found.")
		return
	}
	p.line("%s", summary(sets))
	var rows [][]string
	for i := range sets {
		set := &sets[i]
		namespace, name := claimOf(set)
		ready := readiness(set)
		rows = append(rows, []string{
			namespace, name, set.Spec.NodeName, set.Status.Summary, totalFailovers(set), p.age(lastFailover(set)),
			ready.Reason, p.age(&ready.LastTransitionTime),
		})
	}
	p.table("", "NAMESPACE\tCLAIM\tNODE\tPATHS\tFAILOVERS\tLAST FAILOVER\tREASON\tSINCE", rows)
}

// summary counts path sets by severity.
func summary(sets []v1alpha1.NVMePathSet) string {
	count := map[severity]int{}
	nodes := map[string]bool{}
	for i := range sets {
		count[severityOf(&sets[i])]++
		nodes[sets[i].Spec.NodeName] = true
	}
	var words []string
	for _, s := range severities {
		if n := count[s.severity]; n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, s.name))
		}
	}
	return fmt.Sprintf("%s on %s: %s", plural(len(sets), "path set"), plural(len(nodes), "node"), strings.Join(words, ", "))
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// readiness is the Ready condition, empty if nobody has written it. What is meant
// to be so, such as maintenance, leaves it true, and is told all the same.
func readiness(set *v1alpha1.NVMePathSet) metav1.Condition {
	ready := meta.FindStatusCondition(set.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil {
		return metav1.Condition{}
	}
	c := meta.FindStatusCondition(set.Status.Conditions, v1alpha1.ConditionRedundant)
	if ready.Status == metav1.ConditionTrue && c != nil && c.Status == metav1.ConditionFalse {
		return *c
	}
	return *ready
}

func totalFailovers(set *v1alpha1.NVMePathSet) string {
	if set.Status.Failovers == nil {
		return ""
	}
	return strconv.FormatInt(*set.Status.Failovers, 10)
}

func lastFailover(set *v1alpha1.NVMePathSet) *metav1.Time {
	var last *metav1.Time
	for i := range set.Status.Paths {
		if at := set.Status.Paths[i].LastFailoverTime; at != nil && (last == nil || last.Before(at)) {
			last = at
		}
	}
	return last
}
