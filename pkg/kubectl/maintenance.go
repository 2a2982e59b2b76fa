package kubectl

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/nvme"
)

func (p *plugin) maintenance() *cobra.Command {
	cmd := p.listMaintenance("maintenance")
	cmd.Long = "Show the addresses of targets that are worked on, and how far their paths are: drained, or back again.\n" +
		"start has every node take its paths to an address down, so that no request fails over when it goes; end brings them back."
	cmd.Example = "  kubectl braid maintenance start 192.0.2.1:4420 --reason 'firmware, ticket 4711' --for 2h\n" +
		"  kubectl braid maintenance\n" +
		"  kubectl braid maintenance end 192.0.2.1:4420"
	cmd.AddCommand(p.listMaintenance("list"), p.startMaintenance(), p.endMaintenance())
	return cmd
}

func (p *plugin) listMaintenance(name string) *cobra.Command {
	var all bool
	var o output
	cmd := &cobra.Command{
		Use:   name,
		Short: "Show the addresses that are worked on",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := p.maintenances(cmd.Context(), all)
			if err != nil {
				return err
			}
			return p.printMaintenance(o, list)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "show those that are over too")
	addOutput(cmd, &o)
	return cmd
}

// maintenances returns those whose paths are not all back, or all.
func (p *plugin) maintenances(ctx context.Context, all bool) ([]v1alpha1.NVMePathMaintenance, error) {
	c, err := p.connect()
	if err != nil {
		return nil, err
	}
	var list v1alpha1.NVMePathMaintenanceList
	if err := c.List(ctx, &list); err != nil {
		return nil, fmt.Errorf("list nvmepathmaintenances: %w", err)
	}
	return slices.DeleteFunc(list.Items, func(m v1alpha1.NVMePathMaintenance) bool { return !all && returned(&m) }), nil
}

// stateOf is how far a maintenance is, in a word.
func stateOf(m *v1alpha1.NVMePathMaintenance) string {
	if c := meta.FindStatusCondition(m.Status.Conditions, v1alpha1.ConditionReturned); c != nil {
		return c.Reason
	}
	if m.Spec.Ended || m.DeletionTimestamp != nil {
		return v1alpha1.ReasonReturning
	}
	if c := meta.FindStatusCondition(m.Status.Conditions, v1alpha1.ConditionDrained); c != nil {
		return c.Reason
	}
	return requested
}

// messageOf says what is waited for, or in the way.
func messageOf(m *v1alpha1.NVMePathMaintenance) string {
	for _, kind := range []string{v1alpha1.ConditionReturned, v1alpha1.ConditionDrained} {
		if c := meta.FindStatusCondition(m.Status.Conditions, kind); c != nil && c.ObservedGeneration == m.Generation {
			return c.Message
		}
	}
	return "nothing is known of it yet; is braid-controller running?"
}

func drained(m *v1alpha1.NVMePathMaintenance) bool {
	return !m.Spec.Ended && isTrue(m, v1alpha1.ConditionDrained)
}

func returned(m *v1alpha1.NVMePathMaintenance) bool { return isTrue(m, v1alpha1.ConditionReturned) }

func isTrue(m *v1alpha1.NVMePathMaintenance, condition string) bool {
	return meta.IsStatusConditionTrue(m.Status.Conditions, condition)
}

func (p *plugin) printMaintenance(o output, all []v1alpha1.NVMePathMaintenance) error {
	list := &v1alpha1.NVMePathMaintenanceList{Items: []v1alpha1.NVMePathMaintenance{}}
	for _, m := range all {
		m.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("NVMePathMaintenance"))
		list.Items = append(list.Items, m)
	}
	return p.print(o, list, func(page *page) { page.maintenance(all) })
}

// maintenance writes a row for each, and what is in the way below.
func (p *page) maintenance(all []v1alpha1.NVMePathMaintenance) {
	if len(all) == 0 {
		p.line("No address is under maintenance.")
		return
	}
	var rows [][]string
	for i := range all {
		m := &all[i]
		nodes := "all"
		if len(m.Spec.NodeNames) > 0 {
			nodes = strings.Join(m.Spec.NodeNames, ",")
		}
		rows = append(rows, []string{
			m.Name, m.Spec.Address, stateOf(m), fmt.Sprintf("%d/%d", m.Status.DrainedPaths, m.Status.Paths),
			p.left(m), nodes, m.Spec.RequestedBy, m.Spec.Reason,
		})
	}
	p.table("", "NAME\tADDRESS\tSTATE\tDRAINED\tLEFT\tNODES\tBY\tREASON", rows)
	for i := range all {
		if m := &all[i]; !drained(m) && !returned(m) {
			p.line("%s: %s", m.Name, messageOf(m))
		}
	}
}

// left is the time until a maintenance ends by itself, nothing once it has ended.
func (p *page) left(m *v1alpha1.NVMePathMaintenance) string {
	until := m.Status.Until
	if until == nil || m.Spec.Ended || !p.now.Before(until.Time) {
		return ""
	}
	return duration.HumanDuration(until.Sub(p.now))
}

// parseAddress reads ADDRESS[:PORT], also with tcp:// before it, and returns it as
// the API has it.
func parseAddress(argument string) (string, error) {
	address, err := nvme.ParseAddress(strings.TrimPrefix(argument, string(nvme.TransportTCP)+"://"))
	if err != nil {
		return "", fmt.Errorf("argument %q: want the target's ADDRESS[:PORT]: %w", argument, err)
	}
	return address.String(), nil
}

// targetsOf are the targets' addresses that a path set's paths lead to.
func targetsOf(set *v1alpha1.NVMePathSet) []string {
	addresses := slices.Clone(set.Spec.Addresses)
	for i := range set.Status.Paths {
		addresses = append(addresses, set.Status.Paths[i].Address)
	}
	for i := range addresses {
		addresses[i] = v1alpha1.TargetOf(addresses[i])
	}
	slices.Sort(addresses)
	return slices.Compact(addresses)
}
