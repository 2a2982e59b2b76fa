package lab

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// ErrNoPathSet is for a volume for which the API has none.
var ErrNoPathSet = errors.New("no path set")

// PathSets are those of all nodes.
func (l *Lab) PathSets(ctx context.Context) ([]v1alpha1.NVMePathSet, error) {
	var list v1alpha1.NVMePathSetList
	err := l.get(ctx, &list, "nvmepathsets")
	return list.Items, err
}

// PathSet is that of a volume on the lab's node.
func (l *Lab) PathSet(ctx context.Context, volume string) (v1alpha1.NVMePathSet, error) {
	var list v1alpha1.NVMePathSetList
	err := l.get(ctx, &list, "nvmepathsets", "--field-selector=spec.nodeName="+NodeName+",spec.volumeHandle="+volume)
	if err == nil && len(list.Items) == 0 {
		err = fmt.Errorf("volume %s on %s: %w", volume, NodeName, ErrNoPathSet)
	}
	if err == nil && len(list.Items) > 1 {
		err = fmt.Errorf("volume %s on %s has %d path sets", volume, NodeName, len(list.Items))
	}
	if err != nil {
		return v1alpha1.NVMePathSet{}, err
	}
	return list.Items[0], nil
}

// WaitPathSet waits until the API has a path set for the volume that is as it
// should be: done says what is still missing. It returns the last one.
func (l *Lab) WaitPathSet(ctx context.Context, volume, what string, done func(v1alpha1.NVMePathSet) error) (v1alpha1.NVMePathSet, error) {
	var set v1alpha1.NVMePathSet
	var missing error
	err := until(ctx, what, func() (bool, error) {
		now, err := l.PathSet(ctx, volume)
		if errors.Is(err, ErrNoPathSet) {
			missing = err
			return false, nil
		}
		if err != nil {
			return false, err
		}
		set = now
		missing = done(set)
		return missing == nil, nil
	})
	if err != nil {
		err = fmt.Errorf("%w\nstill: %w\nlast seen: %s", err, missing, Sketch(set))
	}
	return set, err
}

// Sketch is a path set on a few lines.
func Sketch(set v1alpha1.NVMePathSet) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", set.Name, set.Status.Summary)
	for _, c := range set.Status.Conditions {
		fmt.Fprintf(&b, " %s=%s/%s", c.Type, c.Status, c.Reason)
	}
	for _, p := range set.Status.Paths {
		fmt.Fprintf(&b, "\n  %s usable=%t %s %s", p.Address, p.Usable, p.ControllerState, p.ANAState)
		if p.Failovers != nil {
			fmt.Fprintf(&b, " failovers=%d lifetime=%d", p.Failovers.SinceReset, p.Failovers.Lifetime)
		}
	}
	return b.String()
}

// HasCondition wants a condition of a path set to be so.
func HasCondition(set v1alpha1.NVMePathSet, kind string, status metav1.ConditionStatus, reason string) error {
	c := meta.FindStatusCondition(set.Status.Conditions, kind)
	if c == nil {
		return fmt.Errorf("condition %s is absent, want %s/%s", kind, status, reason)
	}
	if c.Status != status || c.Reason != reason {
		return fmt.Errorf("condition %s is %s/%s, want %s/%s", kind, c.Status, c.Reason, status, reason)
	}
	return nil
}

// ConditionSays wants the message of a path set's condition to say something.
func ConditionSays(set v1alpha1.NVMePathSet, kind, what string) error {
	c := meta.FindStatusCondition(set.Status.Conditions, kind)
	if c == nil || !strings.Contains(c.Message, what) {
		return fmt.Errorf("condition %s does not say %q: %+v", kind, what, c)
	}
	return nil
}

// Healthy wants all conditions to be true and all expected paths usable.
func Healthy(set v1alpha1.NVMePathSet) error {
	errs := []error{HasCondition(set, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonHealthy)}
	for _, c := range set.Status.Conditions {
		if c.Status != metav1.ConditionTrue {
			errs = append(errs, fmt.Errorf("condition %s is %s/%s", c.Type, c.Status, c.Reason))
		}
	}
	if set.Status.UsablePaths != set.Status.ExpectedPaths || set.Status.ExpectedPaths == 0 {
		errs = append(errs, fmt.Errorf("%d of %d paths usable", set.Status.UsablePaths, set.Status.ExpectedPaths))
	}
	return errors.Join(errs...)
}

// RedundancyLost wants what must be so after one of two paths was lost.
func RedundancyLost(set v1alpha1.NVMePathSet) error {
	return errors.Join(
		HasCondition(set, v1alpha1.ConditionRedundant, metav1.ConditionFalse, "PathRedundancyLost"),
		HasCondition(set, v1alpha1.ConditionReady, metav1.ConditionFalse, "PathRedundancyLost"),
		HasCondition(set, v1alpha1.ConditionAvailable, metav1.ConditionTrue, v1alpha1.ReasonHealthy),
	)
}

// ConditionOf is a condition of a path set, as STATUS/REASON.
func ConditionOf(set v1alpha1.NVMePathSet, kind string) string {
	c := meta.FindStatusCondition(set.Status.Conditions, kind)
	if c == nil {
		return "absent"
	}
	return string(c.Status) + "/" + c.Reason
}

// Remediation is one by its name.
func (l *Lab) Remediation(ctx context.Context, name string) (v1alpha1.NVMePathRemediation, error) {
	var r v1alpha1.NVMePathRemediation
	err := l.get(ctx, &r, "nvmepathremediation", name)
	return r, err
}

// ChangeOf is what a remediation did to a counter.
func ChangeOf(r v1alpha1.NVMePathRemediation, of, counter string) (v1alpha1.CounterChange, error) {
	for _, c := range r.Status.Counters {
		if c.Of == of && c.Counter == counter {
			return c, nil
		}
	}
	return v1alpha1.CounterChange{}, fmt.Errorf("remediation %s has nothing on record about %s of %s", r.Name, counter, of)
}

// Transitions are the times at which a path set's conditions last changed.
func Transitions(set v1alpha1.NVMePathSet) map[string]time.Time {
	all := map[string]time.Time{}
	for _, c := range set.Status.Conditions {
		all[c.Type] = c.LastTransitionTime.Time
	}
	return all
}
