package agent

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/health"
)

// hear takes up what the cluster's controller says of a path set.
func (r *reporter) hear(set *v1alpha1.NVMePathSet) {
	found := heard(set)
	r.told(set.Spec.VolumeHandle, found...)
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.entries[set.Name]; e != nil {
		e.heard = found
	}
}

// heard are the findings that the controller has written into a path set, by
// the one condition that is its own.
func heard(set *v1alpha1.NVMePathSet) []health.Finding {
	c := meta.FindStatusCondition(set.Status.Conditions, v1alpha1.ConditionHostNQNUnique)
	if c == nil || c.Status != metav1.ConditionFalse {
		return nil
	}
	return []health.Finding{{Status: health.Degraded, Reason: health.DuplicateHostNQN, Message: c.Message}}
}

// ours are the conditions that are the agent's.
func ours(all []metav1.Condition) []metav1.Condition {
	return slices.DeleteFunc(all, func(c metav1.Condition) bool { return c.Type == v1alpha1.ConditionHostNQNUnique })
}
