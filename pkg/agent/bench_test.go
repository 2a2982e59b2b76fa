package agent

import (
	"fmt"
	"testing"
	"time"

	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

// BenchmarkSee takes up a snapshot of a thousand volumes of four paths each
// that is as the one before. It runs twice a second on every node.
func BenchmarkSee(b *testing.B) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	r := newReporter(Config{Node: "worker-1", Clock: func() time.Time { return at }}, nil, nil)
	snap := &multipath.Snapshot{At: at}
	for v := range 1000 {
		set := multipath.PathSet{
			VolumeID: fmt.Sprint("volume-", v), SubsystemNQN: "nqn.2026-11.dev.braid:a", Expected: 4,
			Device: multipath.Device{State: multipath.DevicePresent, Name: "nvme0n1"}, Head: ledger.Tallies{nvme.Requeues: {}, nvme.Failures: {}},
		}
		for p := range 4 {
			way := nvme.TransportID{Transport: nvme.TransportTCP, TrAddr: fmt.Sprint("192.0.2.", p), TrSvcID: "4420"}
			set.Paths = append(set.Paths, multipath.Path{
				Address: way, Key: way.String(), Expected: true, Name: "nvme0c0n1", Controller: "nvme0", State: nvme.StateLive, Source: nvme.SourceKernelAttribute,
				Record:           ledger.Record{CountedSince: at, Exact: true, Tallies: ledger.Tallies{nvme.Failovers: {}, nvme.Retries: {}, nvme.Errors: {}}},
				ControllerRecord: ledger.Record{Tallies: ledger.Tallies{nvme.Resets: {}, nvme.Reconnects: {}}},
			})
		}
		snap.PathSets = append(snap.PathSets, set)
	}
	o := observation{Snapshot: snap, findings: make([][]health.Finding, len(snap.PathSets))}
	r.see(o)
	for _, e := range r.entries {
		e.presence, e.have = present, *e.want
	}
	b.ReportAllocs()
	for b.Loop() {
		r.see(o)
	}
}
