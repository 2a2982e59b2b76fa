package kubectl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// actions are those that a remediation may have.
var actions = []v1alpha1.RemediationAction{v1alpha1.ActionRescan, v1alpha1.ActionResetCounters}

// request is what the flags of reset and remediate say.
type request struct {
	selection
	output
	actions []string
	reason  string
	wait    bool
	timeout time.Duration
}

func (p *plugin) reset() *cobra.Command {
	r := request{actions: []string{string(v1alpha1.ActionResetCounters)}}
	cmd := &cobra.Command{
		Use:   "reset PVC --reason WHY",
		Short: "Reset the counters of a volume's paths, on record",
		Long: "Reset the counters of a volume's paths and of its device, on record: who, why, when, and how they stood.\n" +
			"Lifetime totals stay, and a fault that is there is still told of.",
		Example: "  kubectl braid reset orders --reason 'port 1 repaired, ticket 4711'",
	}
	p.addRequest(cmd, &r)
	return cmd
}

func (p *plugin) remediate() *cobra.Command {
	var r request
	cmd := &cobra.Command{
		Use:     "remediate PVC --action ACTION,... --reason WHY",
		Short:   "Have a volume's node do something about its paths, on record",
		Long:    "Have a volume's node do something about its paths, on record. The actions are carried out in the order in which they are given;\nthe first that fails ends it. They are " + actionNames(actions) + ".",
		Example: "  kubectl braid remediate orders --action Rescan,ResetCounters --reason 'volume grown on the array'",
	}
	cmd.Flags().StringSliceVar(&r.actions, "action", nil, "what to do: "+actionNames(actions))
	require(cmd, "action")
	complete(cmd, "action", cobra.FixedCompletions(actionWords(actions), cobra.ShellCompDirectiveNoFileComp))
	p.addRequest(cmd, &r)
	return cmd
}

func (p *plugin) addRequest(cmd *cobra.Command, r *request) {
	cmd.Args, cmd.ValidArgsFunction = oneVolume, p.completeVolume
	f := cmd.Flags()
	f.StringVar(&r.reason, "reason", "", "why, for the record: one line")
	require(cmd, "reason")
	f.BoolVar(&r.wait, "wait", true, "wait until it is over and print the record")
	f.DurationVar(&r.timeout, "timeout", time.Minute, "how long to wait; what was requested stays requested")
	p.addNode(cmd, &r.selection)
	addOutput(cmd, &r.output)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return p.carryOut(cmd.Context(), args[0], r) }
}

// carryOut requests a remediation, waits for it if it shall, and prints it.
func (p *plugin) carryOut(ctx context.Context, argument string, r *request) error {
	wanted, err := parseActions(r.actions)
	if err != nil {
		return err
	}
	if r.timeout <= 0 {
		return fmt.Errorf("--timeout: %s is no time to wait; --wait=false does not wait", r.timeout)
	}
	t, sets, err := p.find(ctx, argument, r.selection)
	if err != nil {
		return err
	}
	set, err := oneOf(t, sets)
	if err != nil {
		return err
	}
	record, err := p.create(ctx, set, wanted, r.reason)
	if err != nil {
		return err
	}
	if !r.wait {
		return p.printRecord(r.output, record)
	}
	if err := p.await(ctx, record, r.timeout); err != nil {
		return fmt.Errorf("nvmepathremediation %q of node %q stays requested, but is not known to be over: %w", record.Name, record.Spec.NodeName, err)
	}
	if err := p.printRecord(r.output, record); err != nil {
		return err
	}
	if c := outcome(record); c.Status != metav1.ConditionTrue {
		return fmt.Errorf("nvmepathremediation %q: %s: %s", record.Name, c.Reason, c.Message)
	}
	return nil
}

// parseActions takes the actions in any case.
func parseActions(words []string) ([]v1alpha1.RemediationAction, error) {
	var wanted []v1alpha1.RemediationAction
	for _, word := range words {
		i := slices.IndexFunc(actions, func(a v1alpha1.RemediationAction) bool { return strings.EqualFold(string(a), word) })
		if i < 0 {
			return nil, fmt.Errorf("--action: %q is none of %s", word, actionNames(actions))
		}
		wanted = append(wanted, actions[i])
	}
	return wanted, nil
}

// create requests the actions in the name by which the API server knows the
// one who asks: it takes no other.
func (p *plugin) create(ctx context.Context, set *v1alpha1.NVMePathSet, wanted []v1alpha1.RemediationAction, reason string) (*v1alpha1.NVMePathRemediation, error) {
	c, err := p.connect()
	if err != nil {
		return nil, err
	}
	who, err := whoami(ctx, c)
	if err != nil {
		return nil, err
	}
	r := &v1alpha1.NVMePathRemediation{
		ObjectMeta: metav1.ObjectMeta{GenerateName: set.Name + "-"},
		Spec: v1alpha1.NVMePathRemediationSpec{
			NodeName: set.Spec.NodeName, PathSet: set.Name, Actions: wanted,
			Reason: reason, RequestedBy: who,
		},
	}
	return r, c.Create(ctx, r)
}

// whoami is by which name the API server knows the one who asks.
func whoami(ctx context.Context, c client.Client) (string, error) {
	var who authenticationv1.SelfSubjectReview
	if err := c.Create(ctx, &who); err != nil {
		return "", fmt.Errorf("ask the API server who you are: %w", err)
	}
	return who.Status.UserInfo.Username, nil
}

// await reads a remediation until it has its final word. It asks now and then:
// most are over within a second, and there is no watch to lose.
func (p *plugin) await(ctx context.Context, r *v1alpha1.NVMePathRemediation, timeout time.Duration) error {
	c, err := p.connect()
	if err != nil {
		return err
	}
	err = wait.PollUntilContextTimeout(ctx, p.pause, timeout, true, func(ctx context.Context) (bool, error) {
		err := c.Get(ctx, client.ObjectKeyFromObject(r), r)
		return err == nil && outcome(r).Status != metav1.ConditionUnknown, err
	})
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return fmt.Errorf("no end within %s; is braid-node running there?", timeout)
	}
	return err
}

func require(cmd *cobra.Command, flag string) {
	if err := cmd.MarkFlagRequired(flag); err != nil {
		panic(err) // there is no such flag
	}
}
