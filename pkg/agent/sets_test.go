package agent

import (
	"time"

	"github.com/braid-csi/braid/pkg/attachment"
	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

const testNode = "worker-1"

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// after returns the time so many seconds after noon.
func after(seconds float64) time.Time { return noon.Add(time.Duration(seconds * float64(time.Second))) }

func way(addr string) nvme.TransportID {
	return nvme.TransportID{Transport: nvme.TransportTCP, TrAddr: addr, TrSvcID: "4420"}
}

// orders is a volume with both of its paths up and nothing counted, changed as
// the test likes.
func orders(change ...func(*multipath.PathSet)) multipath.PathSet {
	one, two := way("192.0.2.1"), way("192.0.2.2")
	set := multipath.PathSet{
		VolumeID: "orders",
		Origin:   attachment.Origin{PersistentVolume: "pv-orders", ClaimNamespace: "shop", ClaimName: "orders", ClaimUID: "claim-uid"},

		SubsystemNQN: "nqn.2026-11.dev.braid:a", Expected: 2, IOPolicy: nvme.IOPolicyQueueDepth,
		HostNQN: "nqn.2014-08.org.nvmexpress:uuid:0b1d0000-0000-4000-8000-000000000001", HostID: "0b1d0000-0000-4000-8000-000000000001",
		Namespace: nvme.NamespaceID{Type: nvme.UUID, Value: "0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190801"},
		Device:    multipath.Device{State: multipath.DevicePresent, Name: "nvme0n1", DevNum: "259:0", SizeBytes: 1 << 26},
		Head:      ledger.Tallies{nvme.Requeues: {Lifetime: 3}, nvme.Failures: {}},
		Paths:     []multipath.Path{path(one, "nvme0", "nvme0c0n1"), path(two, "nvme1", "nvme0c1n1")},
	}
	for _, c := range change {
		c(&set)
	}
	return set
}

func path(to nvme.TransportID, controller, disk string) multipath.Path {
	return multipath.Path{
		Address: to, Key: to.String(), Expected: true, Name: disk, Controller: controller,
		State: nvme.StateLive, ANAState: nvme.ANAOptimized, Source: nvme.SourceKernelAttribute,
		Record: ledger.Record{
			CountedSince: noon.Add(-time.Hour), Exact: true,
			Tallies: ledger.Tallies{nvme.Failovers: {}, nvme.Retries: {}, nvme.Errors: {}},
		},
		ControllerRecord: ledger.Record{Tallies: ledger.Tallies{nvme.Resets: {}, nvme.Reconnects: {}}},
	}
}

// cut makes the first path a lost one, with failovers.
func cut(failovers uint64) func(*multipath.PathSet) {
	return func(set *multipath.PathSet) {
		set.Paths[0].State = nvme.StateConnecting
		count := set.Paths[0].Record.Tallies
		count[nvme.Failovers] = ledger.Tally{SinceReset: failovers, Lifetime: failovers}
	}
}

// moved has the first path learned from the second one's address.
func moved(at time.Time) func(*multipath.PathSet) {
	return func(set *multipath.PathSet) {
		p := &set.Paths[0]
		was := p.Address
		p.Address = way("192.0.2.3")
		p.Key = p.Address.String()
		p.Learned = &multipath.Learned{From: set.Paths[1].Address, At: at, InPlaceOf: []nvme.TransportID{was}}
	}
}

// worked has a path's address under maintenance.
func worked(path int) func(*multipath.PathSet) {
	return func(set *multipath.PathSet) {
		set.Paths[path-1].Maintenance = &multipath.Maintenance{Reason: "new switch"}
	}
}

// reconnects makes the first path's controller have tried so often.
func reconnects(n uint64) func(*multipath.PathSet) {
	return func(set *multipath.PathSet) {
		set.Paths[0].ControllerRecord.Tallies[nvme.Reconnects] = ledger.Tally{SinceReset: n, Lifetime: n}
	}
}

func pending(set *multipath.PathSet) { set.Device = multipath.Device{State: multipath.DevicePending} }

// joining makes the second path one that is not connected yet.
func joining(set *multipath.PathSet) {
	p := &set.Paths[1]
	*p = multipath.Path{Address: p.Address, Key: p.Key, Expected: true, State: nvme.StateAbsent, Source: nvme.SourceUnsupported}
}

func reset(id string, at time.Time) func(*multipath.PathSet) {
	return func(set *multipath.PathSet) {
		set.LastReset = &ledger.Reset{ID: id, By: "jane", Reason: "cable replaced", At: at}
	}
}

var (
	lost     = health.Finding{Status: health.Degraded, Reason: health.PathRedundancyLost, Message: "1 of 2 paths usable"}
	none     = health.Finding{Status: health.Inaccessible, Reason: health.NoUsablePath, Message: "0 of 2 paths usable"}
	vanished = health.Finding{Status: health.Inaccessible, Reason: health.DeviceVanished, Message: "the staged device nvme0n1 is gone"}
	slow     = health.Finding{Status: health.Degraded, Reason: health.NoOptimizedPath, Message: "only non-optimized paths are usable"}
	flapping = health.Finding{Status: health.Degraded, Reason: health.PathFlapping, Message: "a path was lost again and again"}
	unstable = health.Finding{Status: health.Degraded, Reason: health.PathUnstable, Message: "a controller reset again and again"}
)
