package agent

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
)

// short writes conditions as TYPE=STATUS/REASON, in their order.
func short(conditions []metav1.Condition) []string {
	var all []string
	for _, c := range conditions {
		all = append(all, fmt.Sprintf("%s=%s/%s", c.Type, c.Status, c.Reason))
	}
	return all
}

func TestConditions(t *testing.T) {
	type found = []health.Finding
	tests := map[string]struct {
		set   multipath.PathSet
		found found
		want  []string // Ready, Available, Redundant, Optimized, Stable
	}{
		"healthy":            {orders(), nil, []string{"True/Healthy", "True/Healthy", "True/Healthy", "True/Healthy", "True/Healthy"}},
		"being staged":       {orders(pending), nil, []string{"Unknown/Staging", "Unknown/Staging", "Unknown/Staging", "Unknown/Staging", "Unknown/Staging"}},
		"a path on its way":  {orders(joining), nil, []string{"Unknown/Staging", "True/Healthy", "Unknown/Staging", "True/Healthy", "True/Healthy"}},
		"redundancy lost":    {orders(cut(1)), found{lost}, []string{"False/PathRedundancyLost", "True/Healthy", "False/PathRedundancyLost", "True/Healthy", "True/Healthy"}},
		"maintenance":        {orders(cut(1), worked(1)), nil, []string{"True/Healthy", "True/Healthy", "False/Maintenance", "True/Healthy", "True/Healthy"}},
		"no path":            {orders(cut(1)), found{none}, []string{"False/NoUsablePath", "False/NoUsablePath", "False/NoUsablePath", "True/Healthy", "True/Healthy"}},
		"device vanished":    {orders(), found{vanished}, []string{"False/DeviceVanished", "False/DeviceVanished", "True/Healthy", "True/Healthy", "True/Healthy"}},
		"not optimized":      {orders(), found{slow}, []string{"False/NoOptimizedPath", "True/Healthy", "True/Healthy", "False/NoOptimizedPath", "True/Healthy"}},
		"flapping, unstable": {orders(), found{flapping, unstable}, []string{"False/PathFlapping", "True/Healthy", "True/Healthy", "True/Healthy", "False/PathFlapping"}},
		"everything":         {orders(cut(1)), found{none, slow, flapping}, []string{"False/NoUsablePath", "False/NoUsablePath", "False/NoUsablePath", "False/NoOptimizedPath", "False/PathFlapping"}},
		"a reason of tomorrow": {orders(), found{{Status: health.Degraded, Reason: "SomethingNew", Message: "?"}},
			[]string{"False/SomethingNew", "True/Healthy", "True/Healthy", "True/Healthy", "True/Healthy"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := conditions(nil, &tt.set, tt.found, noon)
			for i, c := range []string{"Ready", "Available", "Redundant", "Optimized", "Stable"} {
				tt.want[i] = c + "=" + tt.want[i]
			}
			if diff := cmp.Diff(tt.want, short(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, c := range got {
				if !c.LastTransitionTime.Time.Equal(noon) || c.Message == "" {
					t.Errorf("%s since %s: %q", c.Type, c.LastTransitionTime, c.Message)
				}
			}
		})
	}
}

// TestTransitions: a condition says since when its status is what it is, and
// what was seen once is not unknown any more.
func TestTransitions(t *testing.T) {
	var before []metav1.Condition
	for second, step := range []struct {
		name      string
		set       multipath.PathSet
		found     []health.Finding
		ready     string
		since     float64 // of Ready
		redundant float64 // of Redundant
	}{
		{"begins", orders(pending), nil, "Unknown/Staging", 0, 0},
		{"device found, one path joining", orders(joining), nil, "Unknown/Staging", 0, 0},
		{"both are up", orders(), nil, "True/Healthy", 2, 2},
		{"one is down, and not judged yet", orders(cut(1)), nil, "True/Healthy", 2, 2},
		{"judged", orders(cut(1)), []health.Finding{lost}, "False/PathRedundancyLost", 4, 4},
		{"worse", orders(cut(1)), []health.Finding{none}, "False/NoUsablePath", 4, 4},
		{"only flapping is left", orders(), []health.Finding{flapping}, "False/PathFlapping", 4, 6},
		{"well again", orders(), nil, "True/Healthy", 7, 6},
	} {
		before = conditions(before, &step.set, step.found, after(float64(second)))
		if got := fmt.Sprintf("%s/%s", before[0].Status, before[0].Reason); got != step.ready {
			t.Errorf("%s: Ready=%s, want %s", step.name, got, step.ready)
		}
		for i, want := range map[int]float64{0: step.since, 2: step.redundant} {
			if got := before[i].LastTransitionTime.Time; !got.Equal(after(want)) {
				t.Errorf("%s: %s since %s, want %s", step.name, before[i].Type, got.Format(time.TimeOnly), after(want).Format(time.TimeOnly))
			}
		}
	}
}
