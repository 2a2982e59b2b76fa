package controller

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

func TestDecide(t *testing.T) {
	deleted := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name     string
		evidence evidence
		after    time.Duration // since the deletion
		release  bool
		why      string // a part of it; empty for none at all
		deadline time.Duration
	}{
		{"unstaged", evidence{}, 0, true, "", 0},
		{"unstaged from a node that is gone", evidence{state: nodeGone}, 0, true, "", 0},
		{"unstaged, long ago", evidence{timeout: time.Minute}, time.Hour, true, "", 0},
		{"staged", evidence{pathSet: "ps"}, time.Second, false, "node n1 may have the volume mounted: waiting until NVMePathSet ps is gone", 0},
		{"staged, and no timeout however long it takes", evidence{pathSet: "ps"}, 1000 * time.Hour, false, "NVMePathSet ps", 0},
		{"out of service", evidence{pathSet: "ps", state: nodeOutOfService}, 0, true, "node n1 has the taint node.kubernetes.io/out-of-service", 0},
		{"node gone", evidence{pathSet: "ps", state: nodeGone}, 0, true, "node n1 was deleted", 0},
		{"staged, timeout not over", evidence{pathSet: "ps", timeout: time.Hour}, time.Hour - 1, false, "-release-timeout releases it at 2026-11-22T13:00:00Z", time.Hour},
		{"staged, timeout over", evidence{pathSet: "ps", timeout: time.Hour}, time.Hour, true, "-release-timeout 1h0m0s is over: node n1 may still write", 0},
		{"out of service before the timeout", evidence{pathSet: "ps", timeout: time.Hour, state: nodeOutOfService}, 0, true, "taint", 0},
	} {
		e := tc.evidence
		e.node, e.deleted = "n1", deleted
		got := decide(e, deleted.Add(tc.after))
		var deadline time.Time
		if tc.deadline != 0 {
			deadline = deleted.Add(tc.deadline)
		}
		if got.release != tc.release || !got.deadline.Equal(deadline) || (got.why == "") != (tc.why == "") || !strings.Contains(got.why, tc.why) {
			t.Errorf("%s: %+v, want release %t, deadline %s, a reason with %q", tc.name, got, tc.release, deadline, tc.why)
		}
		// What is written must not change from one look to the next.
		if again := decide(e, deleted.Add(tc.after+time.Nanosecond)); !got.release && !again.release && again.why != got.why {
			t.Errorf("%s: first %q, then %q", tc.name, got.why, again.why)
		}
	}
}

func TestOutOfService(t *testing.T) {
	for _, tc := range []struct {
		taints []corev1.Taint
		want   bool
	}{
		{nil, false},
		{[]corev1.Taint{{Key: "node.kubernetes.io/unreachable", Effect: corev1.TaintEffectNoExecute}}, false},
		{[]corev1.Taint{{Key: "a"}, {Key: "node.kubernetes.io/out-of-service", Value: "nodeshutdown", Effect: corev1.TaintEffectNoExecute}}, true},
		{[]corev1.Taint{{Key: "node.kubernetes.io/out-of-service", Effect: corev1.TaintEffectNoSchedule}}, true},
	} {
		if got := outOfService(&corev1.Node{Spec: corev1.NodeSpec{Taints: tc.taints}}); got != tc.want {
			t.Errorf("outOfService(%v): %t", tc.taints, got)
		}
	}
}

func TestConflict(t *testing.T) {
	for _, tc := range []struct {
		name   string
		shared bool
		others []holder
		want   bool
	}{
		{"nobody", false, nil, false},
		{"the same node", false, []holder{{node: "n1", volume: "b"}}, false},
		{"another node", false, []holder{{node: "n2", volume: "b"}}, true},
		{"another node, the second of two", false, []holder{{node: "n1", volume: "b"}, {node: "n2", volume: "b"}}, true},
		{"both shared", true, []holder{{node: "n2", volume: "b", shared: true}}, false},
		{"only the one that asks is shared", true, []holder{{node: "n2", volume: "b"}}, true},
		{"only the other is shared", false, []holder{{node: "n2", volume: "b", shared: true}}, true},
	} {
		err := conflict("n1", tc.shared, tc.others)
		if (err != nil) != tc.want || err != nil && !strings.Contains(err.Error(), "node n2, as PersistentVolume b") {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}
