package kubectl

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// scheme has what the plugin reads and writes.
func scheme() (*runtime.Scheme, error) {
	s := runtime.NewScheme()
	return s, errors.Join(v1alpha1.AddToScheme(s), corev1.AddToScheme(s), authenticationv1.AddToScheme(s))
}

// connect returns a client of the cluster that the flags name. The API server's
// priority and fairness limit its requests, not the client.
func connect(flags *genericclioptions.ConfigFlags, agent string) (client.Client, error) {
	config, err := flags.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	config.UserAgent = agent
	config.QPS = -1
	mapper, err := flags.ToRESTMapper()
	if err != nil {
		return nil, err
	}
	known, err := scheme()
	if err != nil {
		return nil, err
	}
	return client.New(config, client.Options{Scheme: known, Mapper: mapper})
}

// selection says which path sets are wanted; what is empty says nothing.
type selection struct {
	namespace     string
	allNamespaces bool
	node          string
}

func (s selection) has(set *v1alpha1.NVMePathSet) bool {
	namespace, _ := claimOf(set)
	return (s.namespace == "" || s.namespace == namespace) && (s.node == "" || s.node == set.Spec.NodeName)
}

// addNode is for commands about one volume.
func (p *plugin) addNode(cmd *cobra.Command, s *selection) {
	cmd.Flags().StringVar(&s.node, "node", "", "the node's name, for a volume that is on several")
	p.completeNode(cmd)
}

// addSelection is for commands that show many volumes.
func (p *plugin) addSelection(cmd *cobra.Command, s *selection) {
	cmd.Flags().StringVar(&s.node, "node", "", "show the volumes of the node of this name only")
	cmd.Flags().BoolVarP(&s.allNamespaces, "all-namespaces", "A", false, "show claims of all namespaces, as is done if --namespace is not given")
	p.completeNode(cmd)
}

// widen takes the namespace from its flag alone. Path sets have none: the
// context's is for claims that are named, and to show less than all is for the
// user to say.
func (p *plugin) widen(s selection) selection {
	if !s.allNamespaces {
		s.namespace = *p.flags.Namespace
	}
	return s
}

// list returns the path sets of a selection.
func (p *plugin) list(ctx context.Context, s selection) ([]v1alpha1.NVMePathSet, error) {
	c, err := p.connect()
	if err != nil {
		return nil, err
	}
	var all v1alpha1.NVMePathSetList
	if err := c.List(ctx, &all); err != nil {
		return nil, fmt.Errorf("list nvmepathsets: %w", err)
	}
	return slices.DeleteFunc(all.Items, func(set v1alpha1.NVMePathSet) bool { return !s.has(&set) }), nil
}

// find returns the path sets of the volume that an argument names, at least
// one, by node.
func (p *plugin) find(ctx context.Context, argument string, s selection) (target, []v1alpha1.NVMePathSet, error) {
	namespace, _, err := p.flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return target{}, nil, err
	}
	t, err := parseTarget(argument, namespace)
	if err != nil {
		return t, nil, err
	}
	sets, err := p.list(ctx, s)
	if err != nil {
		return t, nil, err
	}
	sets = slices.DeleteFunc(sets, func(set v1alpha1.NVMePathSet) bool { return !t.is(&set) })
	if len(sets) == 0 {
		return t, nil, p.notFound(ctx, t, s)
	}
	slices.SortFunc(sets, func(a, b v1alpha1.NVMePathSet) int { return byName(&a, &b) })
	return t, sets, nil
}

// notFound says why there is no path set of a target: most often there is no
// such claim.
func (p *plugin) notFound(ctx context.Context, t target, s selection) error {
	if t.claim != "" {
		c, err := p.connect()
		if err != nil {
			return err
		}
		var claim corev1.PersistentVolumeClaim
		if err := c.Get(ctx, client.ObjectKey{Namespace: t.namespace, Name: t.claim}, &claim); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	if s.node != "" {
		return fmt.Errorf("%s: node %q reports no paths of it", t, s.node)
	}
	return fmt.Errorf("%s: no node reports paths of it; is it Braid's, and in use by a Pod?", t)
}
