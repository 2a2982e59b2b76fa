package agent

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

// What the schema of NVMePathSet allows. The target, and whoever else connects
// controllers on the node, decide what a state or an address reads; one word
// too long must not keep the rest from being reported.
const (
	maxPaths   = 64
	maxNQN     = 223
	maxAddress = 256
	maxError   = 1024
	maxWord    = 32
	maxName    = 64
)

// specOf says which volume a path set is about and how the node reaches it.
func specOf(node string, set *multipath.PathSet) v1alpha1.NVMePathSetSpec {
	s := v1alpha1.NVMePathSetSpec{
		NodeName: node, VolumeHandle: set.VolumeID, PersistentVolumeName: set.Origin.PersistentVolume,
		SubsystemNQN: string(set.SubsystemNQN),
		NamespaceID:  v1alpha1.NamespaceID{Type: string(set.Namespace.Type), Value: set.Namespace.Value},
	}
	if o := set.Origin; o.ClaimNamespace != "" && o.ClaimName != "" {
		s.ClaimRef = &v1alpha1.ClaimReference{Namespace: o.ClaimNamespace, Name: o.ClaimName, UID: o.ClaimUID}
	}
	for i := range set.Paths {
		if p := &set.Paths[i]; p.Expected {
			s.Addresses = append(s.Addresses, p.Address.String())
		}
	}
	return s
}

// statusOf says how a path set is, as seen at the time at with what health
// found, which is guarded. before is what was said of it last.
func statusOf(before v1alpha1.NVMePathSetStatus, engine string, set *multipath.PathSet, found []health.Finding, at time.Time) v1alpha1.NVMePathSetStatus {
	s := v1alpha1.NVMePathSetStatus{
		Conditions: conditions(before.Conditions, set, found, at),
		Summary:    fmt.Sprintf("%d/%d", usableExpected(set), set.Expected),
		HostNQN:    line(string(set.HostNQN), maxNQN), HostID: line(set.HostID, maxName),
		Engine: engine, Device: line(set.Device.Name, maxName), DeviceState: string(set.Device.State),
		IOPolicy: line(string(set.IOPolicy), maxWord), UsablePaths: int32(set.Usable()), ExpectedPaths: int32(set.Expected),
		Requeues: count(set.Head, nvme.Requeues), Failures: count(set.Head, nvme.Failures),
		CountersObservedAt: stamp(at),
	}
	for i := range set.Paths[:min(len(set.Paths), maxPaths)] {
		p := pathOf(&set.Paths[i])
		s.Paths = append(s.Paths, p)
		if p.Failovers != nil {
			s.Failovers = ptr.To(clamp(uint64(ptr.Deref(s.Failovers, 0)) + uint64(p.Failovers.SinceReset)))
		}
	}
	if r := set.LastReset; r != nil {
		s.LastReset = &v1alpha1.ResetRecord{ID: r.ID, Time: *stamp(r.At), By: r.By, Reason: r.Reason}
	}
	return s
}

// pathOf says how one path is.
func pathOf(p *multipath.Path) v1alpha1.PathStatus {
	s := v1alpha1.PathStatus{
		Address: line(p.Key, maxAddress), Expected: p.Expected, Usable: p.Usable(),
		ConnectError: line(p.ConnectError, maxError), CounterSource: string(p.Source), CounterSourceReason: line(p.SourceReason, maxError),
		Failovers: count(p.Record.Tallies, nvme.Failovers), Retries: count(p.Record.Tallies, nvme.Retries),
		Errors: count(p.Record.Tallies, nvme.Errors),
		Resets: count(p.ControllerRecord.Tallies, nvme.Resets), Reconnects: count(p.ControllerRecord.Tallies, nvme.Reconnects),
		LastFailoverTime: stamp(p.Record.LastFailover), CountedSince: stamp(p.Record.CountedSince), Exact: p.Record.Exact,
	}
	s.BenchedUntil = stamp(p.BenchedUntil)
	if p.Learned != nil {
		s.LearnedFrom = line(p.Learned.From.String(), maxAddress)
	}
	if p.Controller != "" {
		s.Controller, s.ControllerState = line(p.Controller, maxName), line(string(p.State), maxWord)
	}
	if p.State == nvme.StateLive { // else the kernel shows the last one it heard of
		s.ANAState = string(p.ANAState)
	}
	return s
}

// count returns a counter, nil where nothing counts it.
func count(t ledger.Tallies, c nvme.Counter) *v1alpha1.Count {
	tally, ok := t[c]
	if !ok {
		return nil
	}
	return &v1alpha1.Count{SinceReset: clamp(tally.SinceReset), Lifetime: clamp(tally.Lifetime)}
}

// clamp makes a number fit JSON's signed integers.
func clamp(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

// stamp returns a time as the API keeps it, in whole seconds; nil for none.
func stamp(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return &metav1.Time{Time: t.UTC().Truncate(time.Second)}
}

// line makes s one printable line of at most limit bytes.
func line(s string, limit int) string {
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(s, "\uFFFD")))
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "")
}
