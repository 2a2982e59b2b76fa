package api

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

const nguid = "0c7f0c1e7d4f4f4c9a3f3c1b2a190807"

// noon is when everything happened.
var noon = metav1.NewTime(time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC))

func newPathSet(name, node string) *v1alpha1.NVMePathSet {
	return &v1alpha1.NVMePathSet{
		TypeMeta:   typeMeta("NVMePathSet"),
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.NVMePathSetSpec{
			NodeName:             node,
			VolumeHandle:         "shelf1/db",
			PersistentVolumeName: "db",
			ClaimRef:             &v1alpha1.ClaimReference{Namespace: "shop", Name: "data-db-0", UID: "2f1b0a52-6b54-4d5e-9c8e-0c9b7a3f4d11"},
			SubsystemNQN:         "nqn.2026-11.com.example:shelf1",
			NamespaceID:          v1alpha1.NamespaceID{Type: "uuid", Value: "0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190807"},
			Addresses:            []string{"tcp://192.0.2.2:4420", "tcp://[2001:db8::2]:4420"},
		},
	}
}

// pathSetStatus is that of a volume that has lost its first path.
func pathSetStatus() v1alpha1.NVMePathSetStatus {
	condition := func(kind string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
		return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message, LastTransitionTime: noon}
	}
	const lost = "1 of 2 paths usable; tcp://192.0.2.2:4420 is down: controller nvme0 is connecting"
	none := &v1alpha1.Count{}
	failovers := int64(32)
	return v1alpha1.NVMePathSetStatus{
		Conditions: []metav1.Condition{
			condition(v1alpha1.ConditionReady, metav1.ConditionFalse, "PathRedundancyLost", lost),
			condition(v1alpha1.ConditionAvailable, metav1.ConditionTrue, v1alpha1.ReasonHealthy, ""),
			condition(v1alpha1.ConditionRedundant, metav1.ConditionFalse, "PathRedundancyLost", lost),
		},
		Summary: "1/2", UsablePaths: 1, ExpectedPaths: 2, Failovers: &failovers,
		Engine: "native", Device: "nvme0n1", DeviceState: "Present", IOPolicy: "queue-depth",
		Paths: []v1alpha1.PathStatus{
			{
				Address: "tcp://192.0.2.2:4420", Expected: true, Controller: "nvme0", ControllerState: "connecting",
				ConnectError: "connection refused", CounterSource: "KernelAttribute", CountedSince: &noon, Exact: true, LastFailoverTime: &noon,
				Failovers: &v1alpha1.Count{SinceReset: 32, Lifetime: 64}, Retries: none, Errors: none, Resets: none, Reconnects: none,
			},
			{
				Address: "tcp://[2001:db8::2]:4420", Expected: true, Usable: true, Controller: "nvme1", ControllerState: "live", ANAState: "optimized",
				CounterSource: "KernelAttribute", CountedSince: &noon, Exact: true,
				Failovers: none, Retries: none, Errors: none, Resets: none, Reconnects: none,
			},
		},
		Requeues: none, Failures: none,
		LastReset:          &v1alpha1.ResetRecord{ID: "YBR6LRJ7AZ4BCMPZZT3W45M6ZM", Time: noon, By: "alice", Reason: "port 1 repaired, ticket 4711"},
		CountersObservedAt: &noon,
	}
}

func newRemediation(name, node, requestedBy string) *v1alpha1.NVMePathRemediation {
	return &v1alpha1.NVMePathRemediation{
		TypeMeta:   typeMeta("NVMePathRemediation"),
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.NVMePathRemediationSpec{
			NodeName: node, PathSet: "shelf1-db-0123456789",
			Actions:     []v1alpha1.RemediationAction{v1alpha1.ActionRescan, v1alpha1.ActionResetCounters},
			Reason:      "port 1 repaired, ticket 4711",
			RequestedBy: requestedBy,
		},
	}
}

// newPolicy makes a default that says no more than it must.
func newPolicy(name string) *v1alpha1.NVMePathPolicy {
	return &v1alpha1.NVMePathPolicy{
		TypeMeta:   typeMeta("NVMePathPolicy"),
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.NVMePathPolicySpec{
			Health:      &v1alpha1.HealthPolicy{},
			Remediation: &v1alpha1.RemediationPolicy{Steps: []v1alpha1.RemediationAction{}},
		},
	}
}

func newMaintenance(name, requestedBy string) *v1alpha1.NVMePathMaintenance {
	return &v1alpha1.NVMePathMaintenance{
		TypeMeta:   typeMeta("NVMePathMaintenance"),
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.NVMePathMaintenanceSpec{
			Address: "tcp://192.0.2.2:4420", Reason: "firmware of port 1, ticket 4711", Duration: "2h", RequestedBy: requestedBy,
		},
	}
}

func remediationStatus() v1alpha1.NVMePathRemediationStatus {
	return v1alpha1.NVMePathRemediationStatus{
		Conditions: []metav1.Condition{{
			Type: v1alpha1.ConditionSucceeded, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonDone, LastTransitionTime: noon,
		}},
		StartTime: &noon, CompletionTime: &noon,
		Steps: []v1alpha1.RemediationStep{
			{Action: v1alpha1.ActionRescan, Outcome: v1alpha1.StepDone, Time: &noon},
			{Action: v1alpha1.ActionResetCounters, Outcome: v1alpha1.StepDone, Time: &noon},
		},
		ResetID: "YBR6LRJ7AZ4BCMPZZT3W45M6ZM",
		Counters: []v1alpha1.CounterChange{
			{Of: "tcp://192.0.2.2:4420", Counter: "failovers", Before: 32, After: 0, Lifetime: 64},
			{Of: "head", Counter: "requeues", Before: 0, After: 0, Lifetime: 0},
		},
	}
}

func typeMeta(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: kind}
}
