package kubectl

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

func (p *plugin) paths() *cobra.Command {
	var s selection
	var o output
	cmd := &cobra.Command{
		Use:               "paths PVC",
		Short:             "Show the paths of a volume",
		Example:           "  kubectl braid paths orders\n  kubectl braid paths pathset/orders-6cqcnu8ef5",
		Args:              oneVolume,
		ValidArgsFunction: p.completeVolume,
		RunE: func(cmd *cobra.Command, args []string) error {
			_, sets, err := p.find(cmd.Context(), args[0], s)
			if err != nil {
				return err
			}
			return p.print(o, pathSetList(sets), func(page *page) {
				for i := range sets {
					if i > 0 {
						page.line("")
					}
					page.line("%s", title(&sets[i]))
					page.line("  %s", verdict(&sets[i]))
					page.paths(&sets[i])
				}
			})
		},
	}
	p.addNode(cmd, &s)
	addOutput(cmd, &o)
	return cmd
}

// title names the volume, the node and the device there.
func title(set *v1alpha1.NVMePathSet) string {
	words := []string{volume(set) + " on " + set.Spec.NodeName}
	for _, word := range []string{set.Status.Device, set.Status.IOPolicy} {
		if word != "" {
			words = append(words, word)
		}
	}
	return strings.Join(words, "  ")
}

// volume is its claim with the namespace, or its path set.
func volume(set *v1alpha1.NVMePathSet) string {
	namespace, name := claimOf(set)
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}

// verdict says how many paths are usable, and what is wrong.
func verdict(set *v1alpha1.NVMePathSet) string {
	usable := fmt.Sprintf("%d/%d usable", set.Status.UsablePaths, set.Status.ExpectedPaths)
	c := readiness(set)
	if c.Reason == "" {
		return usable
	}
	if severityOf(set) == healthy {
		return usable + ", " + c.Reason
	}
	return usable + ", " + c.Reason + ": " + c.Message
}

// paths are the same columns as root sees on the node. Counts are since the
// last reset; LIFETIME is that of failovers. A dash is a count that nothing
// keeps, which is not zero; "~" marks a lower bound.
func (p *page) paths(set *v1alpha1.NVMePathSet) {
	var rows [][]string
	for i := range set.Status.Paths {
		s := &set.Status.Paths[i]
		lifetime := ""
		if s.Failovers != nil {
			lifetime = strconv.FormatInt(s.Failovers.Lifetime, 10)
		}
		rows = append(rows, []string{
			s.Address, yes(s.Usable), s.Controller, s.ControllerState, s.ANAState,
			pathFailovers(s), lifetime, p.age(s.LastFailoverTime),
			sinceReset(s.Retries), sinceReset(s.Errors), sinceReset(s.Resets), sinceReset(s.Reconnects),
		})
	}
	p.table("  ", "PATH\tUSABLE\tCONTROLLER\tSTATE\tANA\tFAILOVERS\tLIFETIME\tLAST\tRETRIES\tERRORS\tRESETS\tRECONNECTS", rows)
	for _, s := range set.Status.Paths {
		if m := s.Maintenance; m != nil {
			words := []string{s.Address, "maintenance " + dash(m.Name), string(m.State), m.Message}
			p.line("  %s", strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), ": "))
		}
		switch {
		case s.BenchedUntil != nil:
			p.line("  %s is benched until %s", s.Address, s.BenchedUntil.UTC().Format(time.RFC3339))
		case s.ConnectError != "":
			p.line("  %s cannot be connected: %s", s.Address, s.ConnectError)
		case s.LearnedFrom != "":
			p.line("  %s is known from discovery controller %s", s.Address, s.LearnedFrom)
		case s.CounterSourceReason != "":
			p.line("  %s is not counted: %s", s.Address, s.CounterSourceReason)
		}
	}
}

// unsupported is the counterSource of a path that nothing counts.
const unsupported = "Unsupported"

// pathFailovers is the count since the last reset, marked where it may be too
// low.
func pathFailovers(s *v1alpha1.PathStatus) string {
	count := sinceReset(s.Failovers)
	switch {
	case s.CounterSource == unsupported:
		return "unsupported"
	case s.Exact || count == "":
		return count
	}
	return "~" + count
}

func sinceReset(c *v1alpha1.Count) string {
	if c == nil {
		return ""
	}
	return strconv.FormatInt(c.SinceReset, 10)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
