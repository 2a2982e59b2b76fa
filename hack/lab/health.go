package lab

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// VolumeHealth is what kubelet says of a pod's volume (alpha in Kubernetes 1.37,
// gate CSIVolumeHealth).
func (l *Lab) VolumeHealth(ctx context.Context, pod string) ([]corev1.VolumeHealthCondition, error) {
	var p corev1.Pod
	err := l.get(ctx, &p, "pod", pod)
	var found []corev1.VolumeHealthCondition
	for _, v := range p.Status.VolumeHealth {
		found = append(found, v.HealthConditions...)
	}
	return found, err
}

// WaitVolumeHealth waits until it is as it should be.
func (l *Lab) WaitVolumeHealth(ctx context.Context, pod, what string, done func([]corev1.VolumeHealthCondition) bool) ([]corev1.VolumeHealthCondition, error) {
	var found []corev1.VolumeHealthCondition
	err := until(ctx, what+" in the status of pod "+pod, func() (_ bool, err error) {
		found, err = l.VolumeHealth(ctx, pod)
		return done(found), err
	})
	if err != nil {
		err = fmt.Errorf("%w\nlast seen: %s", err, SketchHealth(found))
	}
	return found, err
}

// SketchHealth is volume health in a few words.
func SketchHealth(found []corev1.VolumeHealthCondition) string {
	if len(found) == 0 {
		return "healthy"
	}
	var words []string
	for _, f := range found {
		words = append(words, fmt.Sprintf("%s/%s", f.Status, f.Reason))
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}
