package kubectl

import (
	"context"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// Completion asks the cluster, and offers nothing if that fails: an error in
// the middle of a command line helps nobody.

func complete(cmd *cobra.Command, flag string, with cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, with); err != nil {
		panic(err) // there is no such flag
	}
}

// completeFlags completes the flags that all commands have.
func (p *plugin) completeFlags(root *cobra.Command) {
	complete(root, "namespace", p.fromPathSets(func(set *v1alpha1.NVMePathSet) string {
		namespace, _ := claimOf(set)
		return namespace
	}))
	complete(root, "context", func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		config, err := p.flags.ToRawKubeConfigLoader().RawConfig()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return slices.Sorted(maps.Keys(config.Contexts)), cobra.ShellCompDirectiveNoFileComp
	})
}

func (p *plugin) completeNode(cmd *cobra.Command) {
	complete(cmd, "node", p.fromPathSets(func(set *v1alpha1.NVMePathSet) string { return set.Spec.NodeName }))
}

// completeVolume offers the claims of the namespace, and path sets that have
// none.
func (p *plugin) completeVolume(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
	namespace, _, err := p.flags.ToRawKubeConfigLoader().Namespace()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return p.fromPathSets(func(set *v1alpha1.NVMePathSet) string {
		of, name := claimOf(set)
		if of != "" && of != namespace {
			return ""
		}
		return name
	})(cmd, args, word)
}

// fromPathSets offers a word of each path set. The shell leaves those that
// begin otherwise.
func (p *plugin) fromPathSets(word func(*v1alpha1.NVMePathSet) string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		sets, err := p.list(cmd.Context(), selection{})
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		words := map[string]bool{}
		for i := range sets {
			if w := word(&sets[i]); w != "" {
				words[printable(w)] = true
			}
		}
		return slices.Sorted(maps.Keys(words)), cobra.ShellCompDirectiveNoFileComp
	}
}

// firstArgument completes an only argument.
func (p *plugin) firstArgument(words func(context.Context) ([]string, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		all, err := words(cmd.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		for i := range all {
			all[i] = printable(all[i])
		}
		return all, cobra.ShellCompDirectiveNoFileComp
	}
}
