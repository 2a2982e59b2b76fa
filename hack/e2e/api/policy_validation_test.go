package api

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPolicyValidation(t *testing.T) {
	live := stored(t, newPolicy("validation"))
	labels := func(n int) map[string]any {
		all := map[string]any{}
		for i := range n {
			all[long(i+1)] = "x"
		}
		return all
	}
	steps := func(all ...any) edit { return edit{"spec.remediation.steps", all} }
	judge(t, "policy-create.txt", live, true, []edit{
		{"spec.health", nil},
		{"spec.remediation", nil},
		{"spec", map[string]any{"suspension": map[string]any{"reason": "switch A is replaced"}}},
		{"spec.priority", int64(1000)},
		{"spec.selector", map[string]any{"nodeNames": []any{"node-a"}}},
		{"spec.selector.volumeLabels", labels(16)},
		{"spec.health.raiseAfter", "0s"},
		{"spec.health.raiseAfter", "1m30s"},
		{"spec.health.raiseAfter", "500ms"},
		{"spec.health.flapping", map[string]any{"episodes": int64(32)}},
		steps("Rescan", "ResetController", "KickConnection", "Reconnect", "Bench", "ResetCounters"),
		{"spec.remediation.benchTime", "10s"},
		steps("ResetCounters"),
		{"spec.remediation.backOff.initial", "1h"},
		{"spec.remediation.backOff.max", "1m"},
	}, []edit{
		{"spec", nil},
		{"spec", map[string]any{"priority": int64(1)}},
		{"spec.priority", int64(-1)},
		{"spec.priority", int64(1001)},
		{"spec.selector", map[string]any{}},
		{"spec.selector.storageClassNames", []any{}},
		{"spec.selector.storageClassNames", []any{"gold", "gold"}},
		{"spec.selector.storageClassNames", []any{""}},
		{"spec.selector.volumeLabels", labels(17)},
		{"spec.selector.volumeLabels", map[string]any{"tier": long(64)}},
		{"spec.suspension", map[string]any{}},
		{"spec.suspension.reason", "   "},
		{"spec.suspension.reason", "two\nlines"},
		{"spec.suspension", map[string]any{"reason": "x", "addresses": []any{"192.0.2.2:4420"}}},
		{"spec.health.raiseAfter", "10m1s"},
		{"spec.health.raiseAfter", "-1s"},
		{"spec.health.raiseAfter", "1.5s"},
		{"spec.health.raiseAfter", "1 minute"},
		{"spec.health.raiseAfter", "1d"},
		{"spec.health.raiseAfter", "999999999999999h"},
		{"spec.health.clearAfter", "61m"},
		{"spec.health.connectGrace", "11m"},
		{"spec.health.flapping.episodes", int64(0)},
		{"spec.health.flapping.episodes", int64(33)},
		{"spec.health.flapping.window", "0s"},
		{"spec.health.unstable.window", "25h"},
		{"spec.remediation.steps", nil},
		steps("Reboot"),
		steps("Rescan", "Rescan"),
		steps("ResetCounters", "Rescan"),
		{"spec.remediation.stabilizationWindow", "9s"},
		{"spec.remediation.benchTime", "9s"},
		{"spec.remediation.backOff", map[string]any{"initial": "10m", "max": "5m"}},
		{"spec.remediation.backOff.initial", "9s"},
		{"spec.remediation.backOff.max", "25h"},
		{"spec.remediation.attempts.max", int64(0)},
		{"spec.remediation.attempts.max", int64(21)},
		{"spec.remediation.attempts.window", "59s"},
		{"spec.remediation.records.max", int64(0)},
		{"spec.remediation.records.ttl", "59s"},
	})
}

// TestPolicyDefaults: who reads a policy back sees all that holds.
func TestPolicyDefaults(t *testing.T) {
	live := stored(t, newPolicy("defaults"))
	want := map[string]any{
		"priority": int64(0),
		"health": map[string]any{
			"raiseAfter": "0s", "clearAfter": "30s", "connectGrace": "15s",
			"flapping": map[string]any{"episodes": int64(3), "window": "10m"},
			"unstable": map[string]any{"episodes": int64(3), "window": "10m"},
		},
		"remediation": map[string]any{
			"steps": []any{}, "stabilizationWindow": "5m", "benchTime": "10m",
			"backOff":  map[string]any{"initial": "1m", "max": "1h"},
			"attempts": map[string]any{"max": int64(3), "window": "1h"},
			"records":  map[string]any{"max": int64(10), "ttl": "168h"},
		},
	}
	if diff := cmp.Diff(want, live.Object["spec"]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
