package metrics

import (
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/braid-csi/braid/pkg/attachment"
	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

var update = flag.Bool("update", false, "write the golden file anew")

// snapshot has two volumes of one subsystem: one with a path down, one whose
// path nothing counts.
func snapshot() *multipath.Snapshot {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	way := func(addr string) nvme.TransportID {
		return nvme.TransportID{Transport: nvme.TransportTCP, TrAddr: addr, TrSvcID: "4420"}
	}
	one, two := way("192.0.2.1"), way("192.0.2.2")
	controller := ledger.Record{Tallies: ledger.Tallies{nvme.Resets: {SinceReset: 1, Lifetime: 5}, nvme.Reconnects: {Lifetime: 7}}}
	return &multipath.Snapshot{At: at, PathSets: []multipath.PathSet{{
		VolumeID: "orders", Origin: attachment.Origin{PersistentVolume: "pv-orders", ClaimNamespace: "shop", ClaimName: "orders"},
		SubsystemNQN: "nqn.2026-11.dev.braid:a", Expected: 2, IOPolicy: nvme.IOPolicyQueueDepth,
		Namespace: nvme.NamespaceID{Type: nvme.UUID, Value: "0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190801"},
		Device:    multipath.Device{State: multipath.DevicePresent, Name: "nvme0n1"},
		Head:      ledger.Tallies{nvme.Requeues: {Lifetime: 3}},
		Paths: []multipath.Path{
			{Address: one, Key: one.String(), Expected: true, Name: "nvme0c0n1", Controller: "nvme0", State: nvme.StateConnecting,
				ANAState: nvme.ANAOptimized, Source: nvme.SourceKernelAttribute, ControllerRecord: controller,
				Record: ledger.Record{LastFailover: at.Add(-time.Minute), Tallies: ledger.Tallies{nvme.Failovers: {SinceReset: 12, Lifetime: 40}}}},
			{Address: two, Key: two.String(), Expected: true, Name: "nvme0c1n1", Controller: "nvme1", State: nvme.StateLive,
				ANAState: nvme.ANANonOptimized, Source: nvme.SourceKernelAttribute,
				IO:          &multipath.PathIO{InFlight: 3, Reads: 100, Writes: 200, ReadTime: time.Second, WriteTime: 4 * time.Second},
				Connections: []multipath.Connection{{RTT: 200 * time.Microsecond, Retransmitted: 2}, {RTT: 300 * time.Microsecond, Retransmitted: 5}},
				Probe:       &multipath.Probe{At: at, Took: 3 * time.Second, Problem: "no answer within 3s"},
				Record:      ledger.Record{Tallies: ledger.Tallies{nvme.Failovers: {}}}},
		},
	}, {
		VolumeID: "logs", SubsystemNQN: "nqn.2026-11.dev.braid:a", Expected: 1,
		Namespace: nvme.NamespaceID{Type: nvme.EUI64, Value: "0025385a11215a3b"},
		Device:    multipath.Device{State: multipath.DevicePresent, Name: "nvme0n2"},
		Paths: []multipath.Path{{Address: one, Key: one.String() + "\xff", Expected: true, Name: "nvme0c0n2", Controller: "nvme0",
			State: nvme.StateConnecting, Source: nvme.SourceUnsupported, ControllerRecord: controller}},
	}}}
}

func findings(volumeID string) ([]health.Finding, bool) {
	if volumeID != "orders" {
		return nil, true
	}
	return []health.Finding{{Status: health.Degraded, Reason: health.PathRedundancyLost}}, true
}

func TestExposition(t *testing.T) {
	c := &Collector{Snapshot: snapshot, Findings: findings}
	if problems, err := testutil.CollectAndLint(c); err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v, %v", problems, err)
	}
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(c); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError}).
		ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	golden := filepath.Join("testdata", "metrics.golden")
	if *update {
		if err := os.WriteFile(golden, w.Body.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(w.Body.String(), "\n")); diff != "" {
		t.Errorf("exposition (-want +got):\n%s", diff)
	}
}

func TestNothingYet(t *testing.T) {
	c := &Collector{Snapshot: func() *multipath.Snapshot { return nil }, Findings: findings}
	if n := testutil.CollectAndCount(c); n != 0 {
		t.Errorf("%d metrics before the first snapshot", n)
	}
}
