package multipath

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

// TestEnded: the last words about a path that is gone are entered where they
// say more than is on record, and nowhere else.
func TestEnded(t *testing.T) {
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	count := func(n uint64) nvme.Counters { return nvme.Counters{nvme.Failovers: n} }
	last := &ledger.Witness{Epoch: "w", Counters: count(4), Exact: true}
	obs := &Observation{At: noon, Ended: map[string]*ledger.Witness{"disk 8": last, "w disk 8": last}}
	both := ledger.Record{Source: nvme.SourceBoth, Epoch: "disk 8", Witness: &ledger.Attestation{Epoch: "w", Raw: count(1)}}
	alone := ledger.Record{Source: nvme.SourceBPF, Epoch: "w disk 8", Tallies: ledger.Tallies{nvme.Failovers: {Raw: 3}}}
	change := func(r ledger.Record, change func(*ledger.Record)) ledger.Record {
		change(&r)
		return r
	}
	for _, tc := range []struct {
		name   string
		record ledger.Record
		want   ledger.Sample
	}{
		{"a witness saw more", both, ledger.Sample{At: noon, Epoch: "disk 8", Source: nvme.SourceBoth, Exact: true, Witness: last}},
		{"it is on record", change(both, func(r *ledger.Record) { r.Witness = &ledger.Attestation{Epoch: "w", Raw: count(4)} }), ledger.Sample{}},
		{"another witness", change(both, func(r *ledger.Record) { r.Witness = &ledger.Attestation{Epoch: "w0", Raw: count(1)} }), ledger.Sample{}},
		{"never a witness", change(both, func(r *ledger.Record) { r.Source, r.Witness = nvme.SourceKernelAttribute, nil }), ledger.Sample{}},
		{"another life", change(both, func(r *ledger.Record) { r.Epoch = "disk 9" }), ledger.Sample{}},
		{"BPF alone saw more", alone, ledger.Sample{At: noon, Epoch: "w disk 8", Source: nvme.SourceBPF, Exact: true, Counters: count(4)}},
		{"BPF alone, on record", change(alone, func(r *ledger.Record) { r.Tallies = ledger.Tallies{nvme.Failovers: {Raw: 4}} }), ledger.Sample{}},
	} {
		if diff := cmp.Diff(tc.want, ended(map[string]ledger.Record{"path": tc.record}, obs)["path"]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}
