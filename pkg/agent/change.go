package agent

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// change is what has become different since a status was written.
type change int

const (
	nothing change = iota
	// counters: numbers and their times, and nothing else.
	counters
	// state: anything that people act upon.
	state
)

// changed compares two statuses. When the counters were read is no change. All
// is compared field by field, for it is done twice a second for every volume.
func changed(was, is *v1alpha1.NVMePathSetStatus) change {
	switch {
	case !sameState(was, is):
		return state
	case !sameCounters(was, is):
		return counters
	}
	return nothing
}

func sameState(a, b *v1alpha1.NVMePathSetStatus) bool {
	return a.Summary == b.Summary && a.UsablePaths == b.UsablePaths && a.ExpectedPaths == b.ExpectedPaths &&
		a.HostNQN == b.HostNQN && a.HostID == b.HostID && a.Engine == b.Engine && a.Device == b.Device && a.DeviceState == b.DeviceState && a.IOPolicy == b.IOPolicy &&
		slices.EqualFunc(a.Conditions, b.Conditions, sameCondition) && sameReset(a.LastReset, b.LastReset) &&
		slices.EqualFunc(a.Paths, b.Paths, samePath)
}

func sameCondition(a, b metav1.Condition) bool {
	return a.Type == b.Type && a.Status == b.Status && a.Reason == b.Reason && a.Message == b.Message &&
		a.ObservedGeneration == b.ObservedGeneration && a.LastTransitionTime.Equal(&b.LastTransitionTime)
}

func sameReset(a, b *v1alpha1.ResetRecord) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.ID == b.ID && a.By == b.By && a.Reason == b.Reason && a.Time.Equal(&b.Time)
}

// samePath compares two paths but for their counters.
func samePath(a, b v1alpha1.PathStatus) bool {
	if !same(a.Maintenance, b.Maintenance) || !a.BenchedUntil.Equal(b.BenchedUntil) {
		return false
	}
	for _, p := range []*v1alpha1.PathStatus{&a, &b} {
		p.Failovers, p.Retries, p.Errors, p.Resets, p.Reconnects = nil, nil, nil, nil, nil
		p.LastFailoverTime, p.CountedSince, p.Exact = nil, nil, false
		p.Maintenance, p.BenchedUntil = nil, nil
	}
	return a == b
}

func sameCounters(a, b *v1alpha1.NVMePathSetStatus) bool {
	return same(a.Failovers, b.Failovers) && same(a.Requeues, b.Requeues) && same(a.Failures, b.Failures) &&
		slices.EqualFunc(a.Paths, b.Paths, func(p, q v1alpha1.PathStatus) bool {
			return same(p.Failovers, q.Failovers) && same(p.Retries, q.Retries) && same(p.Errors, q.Errors) &&
				same(p.Resets, q.Resets) && same(p.Reconnects, q.Reconnects) && p.Exact == q.Exact &&
				p.LastFailoverTime.Equal(q.LastFailoverTime) && p.CountedSince.Equal(q.CountedSince)
		})
}

func sameSpec(a, b *v1alpha1.NVMePathSetSpec) bool {
	return a.NodeName == b.NodeName && a.VolumeHandle == b.VolumeHandle && a.PersistentVolumeName == b.PersistentVolumeName &&
		a.SubsystemNQN == b.SubsystemNQN && a.NamespaceID == b.NamespaceID && same(a.ClaimRef, b.ClaimRef) &&
		slices.Equal(a.Addresses, b.Addresses)
}

func same[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
