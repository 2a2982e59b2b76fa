package multipath

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

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
		r, err := l.Reset(ctx, "v", "root", "cable replaced")
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
		if _, err := l.Reset(ctx, "another", "root", "x"); !errors.Is(err, ErrNotStaged) {
			t.Errorf("reset of a volume that is not staged: %v", err)
		}
	})
}
