package kubectl

import (
	"cmp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// severity is how bad it is.
type severity int

const (
	healthy severity = iota
	unknown
	degraded
	// notRedundant: the next fault may take the volume.
	notRedundant
	unavailable
)

// severities are all of them with what they are called, worst first.
var severities = []struct {
	severity
	name string
}{
	{unavailable, "unavailable"}, {notRedundant, "not redundant"}, {degraded, "degraded"}, {unknown, "unknown"}, {healthy, "healthy"},
}

func severityOf(set *v1alpha1.NVMePathSet) severity {
	is := func(condition string, status metav1.ConditionStatus) bool {
		return meta.IsStatusConditionPresentAndEqual(set.Status.Conditions, condition, status)
	}
	switch {
	case is(v1alpha1.ConditionAvailable, metav1.ConditionFalse):
		return unavailable
	case is(v1alpha1.ConditionRedundant, metav1.ConditionFalse):
		return notRedundant
	case is(v1alpha1.ConditionReady, metav1.ConditionFalse):
		return degraded
	case is(v1alpha1.ConditionReady, metav1.ConditionTrue):
		return healthy
	}
	return unknown
}

// worstFirst puts path sets in the order in which somebody should look at
// them: by severity, by the paths that are missing, by failovers, by name.
func worstFirst(sets []v1alpha1.NVMePathSet) {
	slices.SortStableFunc(sets, func(a, b v1alpha1.NVMePathSet) int {
		return cmp.Or(
			-cmp.Compare(severityOf(&a), severityOf(&b)),
			-cmp.Compare(missing(&a), missing(&b)),
			-cmp.Compare(failovers(&a), failovers(&b)),
			byName(&a, &b),
		)
	})
}

func byName(a, b *v1alpha1.NVMePathSet) int {
	aNamespace, aName := claimOf(a)
	bNamespace, bName := claimOf(b)
	return cmp.Or(
		strings.Compare(aNamespace, bNamespace), strings.Compare(aName, bName),
		strings.Compare(a.Spec.NodeName, b.Spec.NodeName), strings.Compare(a.Name, b.Name),
	)
}

// missing is how many of the expected paths are not usable.
func missing(set *v1alpha1.NVMePathSet) int32 {
	return set.Status.ExpectedPaths - set.Status.UsablePaths
}

// failovers is -1 where nothing counts.
func failovers(set *v1alpha1.NVMePathSet) int64 {
	if set.Status.Failovers == nil {
		return -1
	}
	return *set.Status.Failovers
}
