package multipath

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

func TestRelease(t *testing.T) {
	both := []string{"192.0.2.1:4420", "192.0.2.2:4420"}
	for _, tc := range []struct {
		name      string
		prepare   func(t *testing.T, ctx context.Context, l *Layer, node *fakeNode)
		devNum    string
		wantErr   error
		connected []string
	}{
		{"the last volume of its subsystem", nil, "", nil, []string{}},
		{"another volume needs the subsystem", func(t *testing.T, ctx context.Context, l *Layer, _ *fakeNode) {
			if _, err := l.Ensure(ctx, testVolume("other", uuidB, way1)); err != nil {
				t.Fatal(err)
			}
		}, "", nil, both},
		{"somebody else has another namespace mounted", func(_ *testing.T, _ context.Context, _ *Layer, node *fakeNode) {
			node.busy["nvme0n2"] = true
		}, "", nil, both},
		{"its own device is still mounted", func(_ *testing.T, _ context.Context, _ *Layer, node *fakeNode) {
			node.busy["nvme0n1"] = true
		}, "", ErrBusy, both},
		{"a controller that Braid did not connect", func(_ *testing.T, _ context.Context, _ *Layer, node *fakeNode) {
			node.mu.Lock()
			defer node.mu.Unlock()
			for i := range node.present {
				if node.present[i].Address == way1 {
					node.present[i].Owner = ""
				}
			}
		}, "", nil, both[:1]},
		{"without a record, by its device", func(t *testing.T, _ context.Context, l *Layer, _ *fakeNode) {
			forgetRecord(t, l, "v")
		}, "259:0", nil, []string{}},
		{"without a record and a device it is released already", func(t *testing.T, _ context.Context, l *Layer, _ *fakeNode) {
			forgetRecord(t, l, "v")
		}, "", nil, both},
	} {
		t.Run(tc.name, func(t *testing.T) {
			node := newFakeNode(uuidA, uuidB)
			withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
				v := testVolume("v", uuidA, way1, way2)
				v.MinPaths = 2
				if _, err := l.Ensure(ctx, v); err != nil {
					t.Fatal(err)
				}
				if tc.prepare != nil {
					tc.prepare(t, ctx, l, node)
				}
				if err := l.Release(ctx, "v", tc.devNum); !errors.Is(err, tc.wantErr) {
					t.Fatalf("error %v, want %v", err, tc.wantErr)
				}
				if diff := cmp.Diff(tc.connected, node.connected()); diff != "" {
					t.Errorf("connected afterwards (-want +got):\n%s", diff)
				}
				if tc.wantErr == nil {
					if err := l.Release(ctx, "v", ""); err != nil {
						t.Errorf("released once more: %v", err)
					}
				}
			})
		})
	}
}

// forgetRecord loses what the layer knows of a volume, as a lost disk would.
func forgetRecord(t *testing.T, l *Layer, id string) {
	t.Helper()
	if err := l.store.remove(id); err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.volumes, id)
}

// TestLateController: a connect that the kernel ends long after the volume is
// gone must not leave a controller behind.
func TestLateController(t *testing.T) {
	node := newFakeNode(uuidA)
	stuck := make(chan struct{})
	node.answer[way2] = func(context.Context) error { <-stuck; return nil }
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		stuck = make(chan struct{}) // of this bubble
		if _, err := l.Ensure(ctx, testVolume("v", uuidA, way1, way2)); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if err := l.Release(ctx, "v", ""); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took > attemptWait+time.Second {
			t.Errorf("release waited %s for the kernel", took)
		}
		close(stuck)
		synctest.Wait()
		if diff := cmp.Diff([]string{}, node.connected()); diff != "" {
			t.Errorf("left behind (-want +got):\n%s", diff)
		}
	})
}

func TestResetKeepsLifetime(t *testing.T) {
	node := newFakeNode(uuidA)
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		if _, err := l.Ensure(ctx, testVolume("v", uuidA, way1)); err != nil {
			t.Fatal(err)
		}
		node.mu.Lock()
		node.counts["nvme0c0n1"] = nvme.Counters{nvme.Failovers: 12}
		node.mu.Unlock()
		r, err := l.Reset(ctx, "v", ledger.ResetRequest{By: "root", Reason: "cable replaced"})
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Before[way1.String()][nvme.Failovers].SinceReset; got != 12 {
			t.Errorf("on record before the reset: %d, want 12", got)
		}
		got := l.Snapshot().PathSet("v").Paths[0].Record.Tallies[nvme.Failovers]
		if got.SinceReset != 0 || got.Lifetime != 12 || got.Raw != 0 {
			t.Errorf("after the reset: %+v, want 0 since, 12 lifetime, raw 0", got)
		}
		if got := r.After[way1.String()][nvme.Failovers]; got.SinceReset != 0 || got.Lifetime != 12 {
			t.Errorf("on record after the reset: %+v, want 0 since, 12 lifetime", got)
		}
		if _, err := l.Reset(ctx, "another", ledger.ResetRequest{By: "root", Reason: "x"}); !errors.Is(err, ErrNotStaged) {
			t.Errorf("reset of a volume that is not staged: %v", err)
		}
	})
}

// TestResetByRequest: a request that has a name is carried out once, and what
// came of it is known even when the volume has left.
func TestResetByRequest(t *testing.T) {
	node := newFakeNode(uuidA)
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		if _, err := l.Ensure(ctx, testVolume("v", uuidA, way1)); err != nil {
			t.Fatal(err)
		}
		count := func(n uint64) {
			node.mu.Lock()
			defer node.mu.Unlock()
			node.counts["nvme0c0n1"] = nvme.Counters{nvme.Failovers: n}
		}
		count(12)
		req := ledger.ResetRequest{By: "jane", Reason: "cable replaced", Request: "uid-1"}
		first, err := l.Reset(ctx, "v", req)
		if err != nil {
			t.Fatal(err)
		}
		count(3)
		again, err := l.Reset(ctx, "v", req)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, again); diff != "" {
			t.Errorf("asked again (-first +again):\n%s", diff)
		}
		if got := l.Snapshot().PathSet("v").Paths[0].Record.Tallies[nvme.Failovers]; got.SinceReset != 3 {
			t.Errorf("%d failovers since the reset, want the 3 after it", got.SinceReset)
		}
		if err := l.Release(ctx, "v", ""); err != nil {
			t.Fatal(err)
		}
		if got, ok := l.ResetOf("uid-1"); !ok || !cmp.Equal(first, got) {
			t.Errorf("after the release: %+v, %t, want %+v", got, ok, first)
		}
	})
}

// TestFailedReset: what became of a reset of which not all could be written is
// known at once.
func TestFailedReset(t *testing.T) {
	node := newFakeNode(uuidA)
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		if _, err := l.Ensure(ctx, testVolume("v", uuidA, way1)); err != nil {
			t.Fatal(err)
		}
		for _, tc := range []struct {
			name    string
			written bool
		}{{"nothing", false}, {"some", true}} {
			node.mu.Lock()
			node.counts["nvme0c0n1"] = nvme.Counters{nvme.Failovers: 5}
			node.resetFails = func() error {
				if tc.written {
					node.counts["nvme0c0n1"] = nvme.Counters{nvme.Failovers: 0}
				}
				return syscall.EIO
			}
			node.mu.Unlock()
			if _, err := l.Reset(ctx, "v", ledger.ResetRequest{By: "jane", Reason: "test", Request: tc.name}); !errors.Is(err, syscall.EIO) {
				t.Errorf("%s was written: %v, want %v", tc.name, err, syscall.EIO)
			}
			if r, ok := l.ResetOf(tc.name); ok != tc.written || r.Recovered != tc.written {
				t.Errorf("%s was written: on record %t, recovered %t", tc.name, ok, r.Recovered)
			}
		}
	})
}

func TestInUse(t *testing.T) {
	node := newFakeNode(uuidA)
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		if _, err := l.Ensure(ctx, testVolume("v", uuidA, way1)); err != nil {
			t.Fatal(err)
		}
		for _, tc := range []struct {
			name string
			nqn  nvme.NQN
			id   nvme.NamespaceID
			busy bool
			want bool
		}{
			{"nobody has it", testNQN, uuidA, false, false},
			{"somebody has it", testNQN, uuidA, true, true},
			{"another namespace", testNQN, uuidB, true, false},
			{"another subsystem", "nqn.2026-11.dev.braid:other", uuidA, true, false},
		} {
			node.mu.Lock()
			node.busy["nvme0n1"] = tc.busy
			node.mu.Unlock()
			if got, err := l.InUse(ctx, tc.nqn, tc.id); err != nil || got != tc.want {
				t.Errorf("%s: %t, %v, want %t", tc.name, got, err, tc.want)
			}
		}
		node.mu.Lock()
		node.busy["nvme0n1"] = false
		node.mu.Unlock()
	})
}
