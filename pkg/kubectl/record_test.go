package kubectl

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// record is a reset that is done.
func record(name string) *v1alpha1.NVMePathRemediation {
	return &v1alpha1.NVMePathRemediation{
		ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: *before(time.Minute)},
		Spec: v1alpha1.NVMePathRemediationSpec{
			NodeName: "node-a", PathSet: "orders-0123456789", Reason: "port 1 repaired, ticket 4711", RequestedBy: "alice",
			Actions: []v1alpha1.RemediationAction{v1alpha1.ActionResetCounters},
		},
		Status: done(),
	}
}

func done() v1alpha1.NVMePathRemediationStatus {
	return v1alpha1.NVMePathRemediationStatus{
		Conditions: []metav1.Condition{{
			Type: v1alpha1.ConditionSucceeded, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonDone, Message: "every action is done",
		}},
		StartTime: before(58 * time.Second), CompletionTime: before(58 * time.Second),
		Steps:   []v1alpha1.RemediationStep{{Action: v1alpha1.ActionResetCounters, Outcome: v1alpha1.StepDone, Message: "reset YBR6LRJ7AZ4BCMPZZT3W45M6ZM"}},
		ResetID: "YBR6LRJ7AZ4BCMPZZT3W45M6ZM",
		Counters: []v1alpha1.CounterChange{
			{Of: "head", Counter: "requeues"},
			{Of: "tcp://192.0.2.2:4420", Counter: "errors", Lifetime: 2},
			{Of: "tcp://192.0.2.2:4420", Counter: "failovers", Before: 13, After: 1, Lifetime: 44},
		},
	}
}

func failed() v1alpha1.NVMePathRemediationStatus {
	return v1alpha1.NVMePathRemediationStatus{
		Conditions: []metav1.Condition{{
			Type: v1alpha1.ConditionSucceeded, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonFailed, Message: "Rescan: input/output error",
		}},
		CompletionTime: before(time.Second),
		Steps: []v1alpha1.RemediationStep{
			{Action: v1alpha1.ActionRescan, Outcome: v1alpha1.StepFailed, Message: "input/output error"},
			{Action: v1alpha1.ActionResetCounters, Outcome: v1alpha1.StepSkipped},
		},
	}
}

func TestRecordPage(t *testing.T) {
	goldenPage(t, "record.txt", func(p *page) { p.record(record("orders-0123456789-k1")) })
	r := record("orders-0123456789-k2")
	r.Status = failed()
	goldenPage(t, "record-failed.txt", func(p *page) { p.record(r) })
	r.Status = v1alpha1.NVMePathRemediationStatus{}
	goldenPage(t, "record-requested.txt", func(p *page) { p.record(r) })
}
