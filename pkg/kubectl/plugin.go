package kubectl

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// completer is the name by which kubectl starts the plugin to complete a
// command line.
const completer = "kubectl_complete-braid"

// Run carries out a command line, whose first word is the program's name.
func Run(ctx context.Context, args []string, streams genericiooptions.IOStreams, version string) error {
	words := args[1:]
	if filepath.Base(args[0]) == completer {
		words = append([]string{cobra.ShellCompRequestCmd}, words...)
	}
	cmd := newPlugin(streams, version).command(version)
	cmd.SetArgs(words)
	return wording(cmd.ExecuteContext(ctx))
}

// wording makes an error fit for a terminal: it may quote what the API has.
func wording(err error) error {
	if err == nil {
		return nil
	}
	lines := strings.Split(err.Error(), "\n")
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	return errors.New(strings.Join(lines, "\n"))
}

// plugin is what the commands share.
type plugin struct {
	streams genericiooptions.IOStreams
	flags   *genericclioptions.ConfigFlags
	connect func() (client.Client, error)
	now     func() time.Time
	// pause is the time between two questions whether a remediation is over.
	pause time.Duration
}

func newPlugin(streams genericiooptions.IOStreams, version string) *plugin {
	flags := genericclioptions.NewConfigFlags(true).WithWarningPrinter(streams)
	return &plugin{
		streams: streams, flags: flags, now: time.Now, pause: 500 * time.Millisecond,
		connect: func() (client.Client, error) { return connect(flags, "kubectl-braid/"+version) },
	}
}

func (p *plugin) command(version string) *cobra.Command {
	root := &cobra.Command{
		Use:           "kubectl-braid",
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl braid"},
		Short:         "Paths of NVMe-oF volumes: how they are, what happened on them, what to do about it",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetIn(p.streams.In)
	root.SetOut(p.streams.Out)
	root.SetErr(p.streams.ErrOut)
	p.flags.AddFlags(root.PersistentFlags())
	root.AddCommand(p.status(), p.describe(), p.paths(), p.top(), p.reset(), p.remediate(), p.maintenance(), p.version(version))
	p.completeFlags(root)
	return root
}

func (p *plugin) version(version string) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the plugin's version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(p.streams.Out, "kubectl-braid", version)
			return err
		},
	}
}

// oneArgument wants one.
func oneArgument(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("want one argument, %s, not %d: %s", what, len(args), cmd.UseLine())
		}
		return nil
	}
}

// oneVolume wants the argument PVC.
var oneVolume = oneArgument("the PersistentVolumeClaim")
