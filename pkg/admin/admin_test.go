package admin

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

var update = flag.Bool("update", false, "write the golden files anew")

var at = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// snapshot has a volume with a path that is down, and one that is
// being staged.
func snapshot() *multipath.Snapshot {
	way := func(n int) nvme.TransportID {
		return nvme.TransportID{Transport: nvme.TransportTCP, TrAddr: fmt.Sprintf("192.0.2.%d", n), TrSvcID: "4420"}
	}
	counts := func(raw, since, lifetime uint64) ledger.Tallies {
		return ledger.Tallies{nvme.Failovers: {Raw: raw, SinceReset: since, Lifetime: lifetime}, nvme.Retries: {}, nvme.Errors: {}}
	}
	controller := ledger.Record{Tallies: ledger.Tallies{nvme.Resets: {SinceReset: 1}, nvme.Reconnects: {SinceReset: 4}}}
	id := nvme.NamespaceID{Type: nvme.UUID, Value: "0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190801"}
	return &multipath.Snapshot{At: at, PathSets: []multipath.PathSet{{
		VolumeID: "pvc-orders-db", Namespace: id, SubsystemNQN: "nqn.2026-11.dev.braid:a", Expected: 2, IOPolicy: nvme.IOPolicyQueueDepth,
		Device:    multipath.Device{State: multipath.DevicePresent, Name: "nvme0n1", DevNum: "259:1", SizeBytes: 256 << 20},
		LastReset: &ledger.Reset{By: "root (uid 0, pid 7)", Reason: "cable replaced", At: at.Add(-time.Hour)},
		Paths: []multipath.Path{
			{Address: way(1), Expected: true, Name: "nvme0c0n1", Controller: "nvme0", State: nvme.StateConnecting, ANAState: nvme.ANAOptimized,
				Source: nvme.SourceKernelAttribute, Record: ledger.Record{Tallies: counts(12, 12, 40), Exact: true}, ControllerRecord: controller},
			{Address: way(2), Expected: true, Name: "nvme0c1n1", Controller: "nvme1", State: nvme.StateLive, ANAState: nvme.ANAOptimized,
				Source: nvme.SourceKernelAttribute, Record: ledger.Record{Tallies: counts(0, 3, 3)}, ControllerRecord: controller},
		},
	}, {
		VolumeID: "pvc-new", Namespace: id, SubsystemNQN: "nqn.2026-11.dev.braid:b", Expected: 1,
		Device: multipath.Device{State: multipath.DevicePending},
		Paths:  []multipath.Path{{Address: way(3), Expected: true, State: nvme.StateAbsent, Source: nvme.SourceUnsupported, ConnectError: "connection refused"}},
	}}}
}

func findings(volumeID string) ([]health.Finding, bool) {
	if volumeID != "pvc-orders-db" {
		return nil, true
	}
	return []health.Finding{{Status: health.Degraded, Reason: health.PathRedundancyLost, Message: "1 of 2 paths usable"}}, true
}

func TestTable(t *testing.T) {
	var got bytes.Buffer
	if err := NewReport(snapshot(), findings).WriteTable(&got); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "paths.golden")
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

// fakeLayer notes what it was asked to reset.
type fakeLayer struct {
	snap  *multipath.Snapshot
	asked []string
	err   error
}

func (f *fakeLayer) Snapshot() *multipath.Snapshot { return f.snap }

func (f *fakeLayer) Reset(_ context.Context, volumeID string, req ledger.ResetRequest) (ledger.Reset, error) {
	f.asked = append(f.asked, volumeID+" / "+req.By+" / "+req.Reason)
	return ledger.Reset{ID: "r1", By: req.By, Reason: req.Reason, At: at}, f.err
}

func (f *fakeLayer) Maintenances() []multipath.Maintenance { return nil }

func (f *fakeLayer) Drain(_ context.Context, m multipath.Maintenance) error {
	f.asked = append(f.asked, fmt.Sprintf("drain %s / %s / %s / %s", m.Address, m.By, m.Reason, m.Until.Sub(m.Since)))
	return f.err
}

func (f *fakeLayer) Return(_ context.Context, address nvme.TransportID) error {
	f.asked = append(f.asked, fmt.Sprintf("return %s", address))
	return f.err
}

func (f *fakeLayer) Resets(string) ([]ledger.Reset, error) { return nil, f.err }

func TestReset(t *testing.T) {
	root := caller{uid: 0, pid: 7, login: "alice"}
	for _, tc := range []struct {
		name   string
		who    *caller
		body   string
		err    error
		status int
		words  string
		asked  []string
	}{
		{"root", &root, `{"volume":"v","reason":"cable replaced"}`, nil, http.StatusOK, `"id":"r1"`,
			[]string{"v / root (uid 0, pid 7, login alice) / cable replaced"}},
		{"somebody else", &caller{uid: 1000}, `{"volume":"v","reason":"x"}`, nil, http.StatusForbidden, "only root", nil},
		{"nobody known", nil, `{"volume":"v","reason":"x"}`, nil, http.StatusForbidden, "only root", nil},
		{"no reason", &root, `{"volume":"v"}`, nil, http.StatusBadRequest, "reason: is empty", nil},
		{"no volume", &root, `{"reason":"x"}`, nil, http.StatusBadRequest, "volume: is empty", nil},
		{"no JSON", &root, `volume=v`, nil, http.StatusBadRequest, "request", nil},
		{"too large", &root, `{"volume":"` + strings.Repeat("v", maxBody) + `"}`, nil, http.StatusBadRequest, "too large", nil},
		{"not staged", &root, `{"volume":"v","reason":"x"}`, multipath.ErrNotStaged, http.StatusNotFound, "not staged",
			[]string{"v / root (uid 0, pid 7, login alice) / x"}},
		{"a reason that may not stand on record", &root, `{"volume":"v","reason":"x"}`, ledger.ErrInvalid, http.StatusBadRequest, "",
			[]string{"v / root (uid 0, pid 7, login alice) / x"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := &fakeLayer{err: tc.err}
			ctx := t.Context()
			if tc.who != nil {
				ctx = context.WithValue(ctx, callerKey{}, *tc.who)
			}
			w := httptest.NewRecorder()
			r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/resets", strings.NewReader(tc.body))
			(&Server{Layer: f}).reset(w, r)
			if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.words) {
				t.Errorf("answer %d %s, want %d with %q", w.Code, w.Body, tc.status, tc.words)
			}
			if diff := cmp.Diff(tc.asked, f.asked); diff != "" {
				t.Errorf("resets asked for (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSocket speaks through a real socket: the client's errors are the
// server's, and the socket is for its owner alone.
func TestSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	for range 2 { // the second one finds the first one's socket
		l, err := Listen(path)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("socket %v, %v, want mode 0600", info.Mode(), err)
		}
		f := &fakeLayer{}
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- (&Server{Layer: f, Findings: findings}).Serve(ctx, l) }()
		c := NewClient(path)
		if _, err := c.Paths(ctx); err == nil || !strings.Contains(err.Error(), "first observation") {
			t.Errorf("before the first observation: %v", err)
		}
		f.snap = snapshot()
		got, err := c.Paths(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(NewReport(snapshot(), findings), got); diff != "" {
			t.Errorf("report through the socket (-want +got):\n%s", diff)
		}
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	}
	if _, err := NewClient(path).Paths(t.Context()); err == nil || !strings.Contains(err.Error(), "ask braid-node") {
		t.Errorf("with nobody there: %v", err)
	}
}
