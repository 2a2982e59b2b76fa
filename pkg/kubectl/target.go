package kubectl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// target is what the argument of a command names: a claim, or a path set for
// volumes whose claim nobody knows.
type target struct {
	namespace, claim string
	pathSet          string
}

var (
	claimTypes   = []string{"pvc", "persistentvolumeclaim", "persistentvolumeclaims"}
	pathSetTypes = []string{"pathset", "nvps", "nvmepathset", "nvmepathsets"}
)

// parseTarget reads NAME, pvc/NAME or pathset/NAME.
func parseTarget(argument, namespace string) (target, error) {
	kind, name, typed := strings.Cut(argument, "/")
	if !typed {
		kind, name = "pvc", argument
	}
	switch {
	case name == "" || strings.Contains(name, "/"):
		return target{}, fmt.Errorf("argument %q: want NAME or TYPE/NAME", argument)
	case slices.Contains(claimTypes, kind):
		return target{namespace: namespace, claim: name}, nil
	case slices.Contains(pathSetTypes, kind):
		return target{pathSet: name}, nil
	}
	return target{}, fmt.Errorf("argument %q: a volume is named by its claim, pvc/NAME, or by its path set, pathset/NAME", argument)
}

func (t target) String() string {
	if t.pathSet != "" {
		return fmt.Sprintf("nvmepathset %q", t.pathSet)
	}
	return fmt.Sprintf("persistentvolumeclaim %q in namespace %q", t.claim, t.namespace)
}

func (t target) is(set *v1alpha1.NVMePathSet) bool {
	if t.pathSet != "" {
		return set.Name == t.pathSet
	}
	claim := set.Spec.ClaimRef
	return claim != nil && claim.Namespace == t.namespace && claim.Name == t.claim
}

// claimOf returns the claim's namespace, and what to call the volume in an
// argument.
func claimOf(set *v1alpha1.NVMePathSet) (namespace, argument string) {
	if claim := set.Spec.ClaimRef; claim != nil {
		return claim.Namespace, claim.Name
	}
	return "", "pathset/" + set.Name
}

// oneOf returns the only path set of those that a target has.
func oneOf(t target, sets []v1alpha1.NVMePathSet) (*v1alpha1.NVMePathSet, error) {
	if len(sets) == 1 {
		return &sets[0], nil
	}
	var nodes []string
	for _, set := range sets {
		nodes = append(nodes, set.Spec.NodeName)
	}
	slices.Sort(nodes)
	return nil, fmt.Errorf("%s is on %d nodes: say with --node which of %s", t, len(sets), strings.Join(nodes, ", "))
}
