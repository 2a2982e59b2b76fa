package multipath

import (
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/nvme"
)

// sleep lets time pass in a bubble, where nobody waits for it.
func sleep(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // the bubble's time
	synctest.Wait()
}

// TestRestart: what the next run makes of what the last one left.
func TestRestart(t *testing.T) {
	for _, tc := range []struct {
		name string
		// crash changes what the first run left, with a volume staged over both
		// ways.
		crash     func(l *Layer, node *fakeNode)
		connected []string
		sets      int
	}{
		{"a staged volume goes on", func(*Layer, *fakeNode) {}, []string{"192.0.2.1:4420", "192.0.2.2:4420"}, 1},
		{"a release that had begun is finished", func(l *Layer, _ *fakeNode) {
			if err := l.markReleasing("v"); err != nil {
				panic(err)
			}
		}, []string{}, 0},
		{"a controller of ours that no volume wants goes", func(l *Layer, _ *fakeNode) {
			if err := l.store.remove("v"); err != nil {
				panic(err)
			}
		}, []string{}, 0},
		{"but not while somebody uses it", func(l *Layer, node *fakeNode) {
			if err := l.store.remove("v"); err != nil {
				panic(err)
			}
			node.busy["nvme0n1"] = true
		}, []string{"192.0.2.1:4420", "192.0.2.2:4420"}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				node, dir := newFakeNode(uuidA), t.TempDir()
				run := func(test func(ctx context.Context, l *Layer)) {
					ctx, cancel := context.WithCancel(t.Context())
					l := openLayer(ctx, t, node, dir)
					done := make(chan error, 1)
					go func() { done <- l.Run(ctx) }()
					test(ctx, l)
					cancel()
					if err := <-done; err != nil {
						t.Error(err)
					}
				}
				run(func(ctx context.Context, l *Layer) {
					if _, err := l.Ensure(ctx, testVolume("v", uuidA, way1, way2)); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
				})
				tc.crash(openLayer(t.Context(), t, node, dir), node)
				node.sweeps = 0
				run(func(_ context.Context, l *Layer) {
					sleep(time.Second)
					if diff := cmp.Diff(tc.connected, node.connected()); diff != "" {
						t.Errorf("connected (-want +got):\n%s", diff)
					}
					if got := len(l.Snapshot().PathSets); got != tc.sets {
						t.Errorf("%d path sets, want %d", got, tc.sets)
					}
					node.mu.Lock()
					defer node.mu.Unlock()
					if node.sweeps == 0 {
						t.Error("signatures on controllers that are gone were not looked for")
					}
				})
			})
		})
	}
}

// TestAdopt: a controller that the last run connected without being able to
// sign it is taken over; one that was there before the volume is not.
func TestAdopt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node, dir := newFakeNode(uuidA), t.TempDir()
		node.add(way1, "") // an operator's
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		l := openLayer(ctx, t, node, dir)
		if _, _, err := l.enlist(ctx, testVolume("v", uuidA, way1, way2)); err != nil {
			t.Fatal(err)
		}
		node.add(way2, "") // connected, and then everything was killed
		again := openLayer(ctx, t, node, dir)
		if err := again.adopt(ctx); err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, c := range node.present {
			got[c.Address.TrAddr] = c.Owner
		}
		if diff := cmp.Diff(map[string]string{"192.0.2.1": "", "192.0.2.2": Owner}, got); diff != "" {
			t.Errorf("owners (-want +got):\n%s", diff)
		}
	})
}

// TestUndoKeepsWhatWasThere: an Ensure that fails takes down its own
// controllers, not those that it found.
func TestUndoKeepsWhatWasThere(t *testing.T) {
	node := newFakeNode(uuidA)
	node.answer[way2] = refused
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		if _, err := l.Ensure(ctx, testVolume("v", uuidA, way1)); err != nil {
			t.Fatal(err)
		}
		forgetRecord(t, l, "v") // lost, while a pod uses the volume
		node.mu.Lock()
		node.busy["nvme0n1"] = false // and nothing shows that it does
		node.mu.Unlock()
		v := testVolume("v", uuidA, way1, way2)
		v.MinPaths = 2
		if _, err := l.Ensure(ctx, v); !errors.Is(err, ErrNoPath) {
			t.Fatalf("error %v, want %v", err, ErrNoPath)
		}
		if diff := cmp.Diff([]string{"192.0.2.1:4420"}, node.connected()); diff != "" {
			t.Errorf("connected (-want +got):\n%s", diff)
		}
	})
}

// TestLedgerFailureBlocksNothing: a full disk must not keep a volume on a node.
func TestLedgerFailureBlocksNothing(t *testing.T) {
	node := newFakeNode(uuidA)
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		if _, err := l.Ensure(ctx, testVolume("v", uuidA, way1)); err != nil {
			t.Fatal(err)
		}
		// A file in the place of the directory: every write fails, for root too.
		dir := l.store.dir + "/../ledger"
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		node.mu.Lock()
		node.counts["nvme0c0n1"] = nvme.Counters{nvme.Failovers: 3}
		node.mu.Unlock()
		if err := l.look(ctx); err != nil {
			t.Errorf("look: %v", err)
		}
		if l.complaint == "" {
			t.Error("the ledger was written, although it cannot be")
		}
		if err := l.Release(ctx, "v", ""); err != nil {
			t.Errorf("release: %v", err)
		}
	})
}

// TestWaitingHoldsNobodyUp: a volume that waits for its paths neither blocks
// the release of another of its subsystem nor keeps the node busy.
func TestWaitingHoldsNobodyUp(t *testing.T) {
	node := newFakeNode(uuidA, uuidB)
	node.answer[way2] = hangs
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		if _, err := l.Ensure(ctx, testVolume("a", uuidA, way1)); err != nil {
			t.Fatal(err)
		}
		failed := make(chan error, 2)
		for _, id := range []string{"b", "c"} {
			v := testVolume(id, uuidB, way1, way2)
			v.MinPaths = 2
			go func() {
				_, err := l.Ensure(ctx, v)
				failed <- err
			}()
		}
		sleep(time.Second)
		node.mu.Lock()
		before := node.observed
		node.mu.Unlock()
		begin := time.Now()
		if err := l.Release(ctx, "a", ""); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("the release took %s", took)
		}
		sleep(10 * time.Second)
		node.mu.Lock()
		looks := node.observed - before
		node.mu.Unlock()
		if looks > 10*30 {
			t.Errorf("%d observations in 10 s", looks)
		}
		for range 2 {
			if err := <-failed; !errors.Is(err, ErrNoPath) {
				t.Errorf("error %v, want %v", err, ErrNoPath)
			}
		}
	})
}

// TestThrownOutAgain: a target that accepts and then drops the controller is
// asked ever less often.
func TestThrownOutAgain(t *testing.T) {
	node := newFakeNode(uuidA)
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		if _, err := l.Ensure(ctx, testVolume("v", uuidA, way1, way2)); err != nil {
			t.Fatal(err)
		}
		sleep(time.Second)
		node.mu.Lock()
		before := node.generation
		node.mu.Unlock()
		for range 300 {
			sleep(time.Second)
			node.drop(way2)
		}
		node.mu.Lock()
		connects := node.generation - before
		node.mu.Unlock()
		if connects > 30 {
			t.Errorf("connected %d times in 5 minutes", connects)
		}
		if connects < 8 {
			t.Errorf("connected %d times in 5 minutes: it gave up", connects)
		}
	})
}
