package kubectl

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// work is what the flags of maintenance start and end say.
type work struct {
	output
	reason  string
	lasts   time.Duration
	nodes   []string
	wait    bool
	timeout time.Duration
}

func (p *plugin) startMaintenance() *cobra.Command {
	var w work
	cmd := &cobra.Command{
		Use:   "start ADDRESS --reason WHY",
		Short: "Have every node take its paths to an address down, on record",
		Long: "Have every node take its paths to the address of a target down, on record, and wait until all are. No path is taken\n" +
			"from a namespace that has no other one. They come back when it is ended, or when its time is over. One that takes\n" +
			"longer than was thought is prolonged by another.",
		Example: "  kubectl braid maintenance start 192.0.2.1:4420 --reason 'firmware, ticket 4711' --for 2h",
		Args:    oneArgument("the target's ADDRESS[:PORT]"),
		ValidArgsFunction: p.firstArgument(func(ctx context.Context) ([]string, error) {
			sets, err := p.list(ctx, selection{})
			return everyTarget(sets), err
		}),
		RunE: func(cmd *cobra.Command, args []string) error { return p.start(cmd.Context(), args[0], &w) },
	}
	f := cmd.Flags()
	f.StringVar(&w.reason, "reason", "", "why, for the record: one line")
	require(cmd, "reason")
	f.DurationVar(&w.lasts, "for", time.Hour, "when paths are brought back at the latest; at most 168h")
	f.StringSliceVar(&w.nodes, "node", nil, "the node's name, where not all are meant; may be repeated")
	p.completeNode(cmd)
	p.addWait(cmd, &w, "wait until every path is down")
	return cmd
}

func (p *plugin) endMaintenance() *cobra.Command {
	var w work
	cmd := &cobra.Command{
		Use:     "end NAME|ADDRESS",
		Short:   "Have every node bring its paths to an address back",
		Long:    "End a maintenance, or all of an address, and wait until every path is usable again.",
		Example: "  kubectl braid maintenance end 192.0.2.1:4420",
		Args:    oneArgument("the maintenance's NAME or ADDRESS"),
		ValidArgsFunction: p.firstArgument(func(ctx context.Context) ([]string, error) {
			all, err := p.maintenances(ctx, false)
			words := map[string]bool{}
			for i := range all {
				words[all[i].Name], words[all[i].Spec.Address] = true, true
			}
			return slices.Sorted(maps.Keys(words)), err
		}),
		RunE: func(cmd *cobra.Command, args []string) error { return p.end(cmd.Context(), args[0], &w) },
	}
	p.addWait(cmd, &w, "wait until every path is usable again")
	return cmd
}

func (p *plugin) addWait(cmd *cobra.Command, w *work, what string) {
	cmd.Flags().BoolVar(&w.wait, "wait", true, what)
	cmd.Flags().DurationVar(&w.timeout, "timeout", 2*time.Minute, "how long to wait; what was requested stays requested")
	addOutput(cmd, &w.output)
}

// start requests maintenance of an address and waits for it if it shall.
func (p *plugin) start(ctx context.Context, argument string, w *work) error {
	address, err := parseAddress(argument)
	if err != nil {
		return err
	}
	if err := w.check(); err != nil {
		return err
	}
	sets, err := p.list(ctx, selection{})
	if err != nil {
		return err
	}
	if err := leads(sets, address, w.nodes); err != nil {
		return err
	}
	c, err := p.connect()
	if err != nil {
		return err
	}
	who, err := whoami(ctx, c)
	if err != nil {
		return err
	}
	m := &v1alpha1.NVMePathMaintenance{
		ObjectMeta: metav1.ObjectMeta{GenerateName: nameFor(address) + "-"},
		Spec: v1alpha1.NVMePathMaintenanceSpec{
			Address: address, Reason: w.reason, Duration: v1alpha1.Duration(w.lasts.String()), NodeNames: w.nodes, RequestedBy: who,
		},
	}
	if err := c.Create(ctx, m); err != nil {
		return err
	}
	if w.wait {
		settled := func(m *v1alpha1.NVMePathMaintenance) bool { return drained(m) || stuck(m) || m.Spec.Ended }
		if err := p.awaitMaintenance(ctx, m, w.timeout, settled); err != nil {
			return fmt.Errorf("nvmepathmaintenance %q stays requested, but %s is not drained: %w", m.Name, address, err)
		}
	}
	if err := p.printMaintenance(w.output, []v1alpha1.NVMePathMaintenance{*m}); err != nil || !w.wait || drained(m) {
		return err
	}
	return fmt.Errorf("nvmepathmaintenance %q stays requested, but %s is not drained: %s; kubectl braid maintenance end %s gives it up", m.Name, address, messageOf(m), m.Name)
}

// check refuses what would wait for nothing.
func (w *work) check() error {
	if w.timeout <= 0 {
		return fmt.Errorf("--timeout: %s is no time to wait; --wait=false does not wait", w.timeout)
	}
	return nil
}

// stuck tells whether all nodes have done what they will, and some refuse.
func stuck(m *v1alpha1.NVMePathMaintenance) bool {
	return m.Status.RefusedPaths > 0 && m.Status.DrainedPaths+m.Status.RefusedPaths == m.Status.Paths
}

// leads refuses an address to which no path leads, or not from a node that is
// named: most often it is not the one that was meant.
func leads(sets []v1alpha1.NVMePathSet, address string, nodes []string) error {
	from := map[string]bool{}
	for i := range sets {
		if slices.Contains(targetsOf(&sets[i]), address) {
			from[sets[i].Spec.NodeName] = true
		}
	}
	if len(from) == 0 {
		return fmt.Errorf("no path of any volume leads to %s; paths lead to %s", address, dash(strings.Join(everyTarget(sets), ", ")))
	}
	for _, node := range nodes {
		if !from[node] {
			return fmt.Errorf("--node: no path leads from %q to %s; paths lead there from %s", node, address, strings.Join(slices.Sorted(maps.Keys(from)), ", "))
		}
	}
	return nil
}

func everyTarget(sets []v1alpha1.NVMePathSet) []string {
	var all []string
	for i := range sets {
		all = append(all, targetsOf(&sets[i])...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// nameFor makes the beginning of a name of an address.
func nameFor(address string) string {
	_, rest, _ := strings.Cut(address, "://")
	return strings.Trim(strings.Map(func(r rune) rune {
		if strings.ContainsRune("0123456789abcdefghijklmnopqrstuvwxyz.", r) {
			return r
		}
		return '-'
	}, rest), "-")
}

// end ends what the argument names and waits for the paths if it shall.
func (p *plugin) end(ctx context.Context, argument string, w *work) error {
	if err := w.check(); err != nil {
		return err
	}
	all, err := p.named(ctx, argument)
	if err != nil {
		return err
	}
	c, err := p.connect()
	if err != nil {
		return err
	}
	for i := range all {
		if m := &all[i]; !m.Spec.Ended {
			if err := c.Patch(ctx, m, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"ended":true}}`))); err != nil {
				return err
			}
		}
	}
	for i := range all {
		if m := &all[i]; w.wait {
			if err := p.awaitMaintenance(ctx, m, w.timeout, returned); err != nil {
				return fmt.Errorf("nvmepathmaintenance %q is ended, but not all paths to %s are back: %w", m.Name, m.Spec.Address, err)
			}
		}
	}
	return p.printMaintenance(w.output, all)
}

// named are the maintenances that an argument names, at least one: by their
// address those that are not over.
func (p *plugin) named(ctx context.Context, argument string) ([]v1alpha1.NVMePathMaintenance, error) {
	all, err := p.maintenances(ctx, true)
	if err != nil {
		return nil, err
	}
	address, notAddress := parseAddress(argument)
	all = slices.DeleteFunc(all, func(m v1alpha1.NVMePathMaintenance) bool {
		return m.Name != argument && (notAddress != nil || m.Spec.Address != address || returned(&m))
	})
	switch {
	case len(all) > 0:
		return all, nil
	case notAddress == nil:
		return nil, fmt.Errorf("%s is not under maintenance that the cluster knows of", address)
	}
	return nil, fmt.Errorf("nvmepathmaintenance %q not found", argument)
}

// awaitMaintenance reads a maintenance until it is as it should be.
func (p *plugin) awaitMaintenance(ctx context.Context, m *v1alpha1.NVMePathMaintenance, timeout time.Duration, done func(*v1alpha1.NVMePathMaintenance) bool) error {
	c, err := p.connect()
	if err != nil {
		return err
	}
	err = wait.PollUntilContextTimeout(ctx, p.pause, timeout, true, func(ctx context.Context) (bool, error) {
		err := c.Get(ctx, client.ObjectKeyFromObject(m), m)
		return err == nil && done(m), err
	})
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return fmt.Errorf("not within %s: %s", timeout, messageOf(m))
	}
	return err
}
