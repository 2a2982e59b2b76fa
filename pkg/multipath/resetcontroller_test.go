package multipath

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
)

func permitted(*PathSet, *Subsystem) error { return nil }

func TestResetController(t *testing.T) {
	refusal := errors.New("the last usable path")
	for name, tc := range map[string]struct {
		volume string
		key    string
		permit Permit
		node   func(*fakeNode)
		want   error
	}{
		"permitted":        {"a", way1.String(), permitted, nil, nil},
		"refused":          {"a", way1.String(), func(*PathSet, *Subsystem) error { return refusal }, nil, refusal},
		"no such volume":   {"b", way1.String(), permitted, nil, ErrNotStaged},
		"no such path":     {"a", "tcp://192.0.2.9:4420", permitted, nil, ErrNotStaged},
		"not Braid's":      {"a", way1.String(), permitted, func(f *fakeNode) { f.at(way1).Owner = "nvme-cli" }, ErrConflict},
		"the kernel fails": {"a", way1.String(), permitted, func(f *fakeNode) { f.controllerReset = func() error { return refusal } }, refusal},
	} {
		t.Run(name, func(t *testing.T) {
			node := newFakeNode(uuidA)
			withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
				node.staged(ctx, t, l)
				if tc.node != nil {
					node.mu.Lock()
					tc.node(node)
					node.mu.Unlock()
				}
				if err := l.ResetController(ctx, tc.volume, tc.key, tc.permit); !errors.Is(err, tc.want) {
					t.Errorf("%v, want %v", err, tc.want)
				}
				want := []string{way1.String()}
				if tc.want != nil && node.controllerReset == nil {
					want = nil
				}
				if got := node.wereReset(); !slices.Equal(got, want) {
					t.Errorf("reset %q, want %q", got, want)
				}
			})
		})
	}
}

// TestResetControllerSeesNow: what is permitted is judged by what the node is
// like now, not by the last snapshot.
func TestResetControllerSeesNow(t *testing.T) {
	node := newFakeNode(uuidA)
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		if _, err := l.Ensure(ctx, testVolume("a", uuidA, way1, way2)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		node.mu.Lock()
		node.at(way2).State = nvme.StateConnecting
		node.mu.Unlock()
		var usable int
		err := l.ResetController(ctx, "a", way1.String(), func(set *PathSet, _ *Subsystem) error {
			usable = set.Usable()
			return nil
		})
		if err != nil || usable != 1 {
			t.Errorf("%d usable paths were seen, %v; want 1", usable, err)
		}
	})
}

// TestResetControllerHangs: while the kernel waits for a dead path, nothing else
// does, but for a second reset in the subsystem, which is refused.
func TestResetControllerHangs(t *testing.T) {
	node := newFakeNode(uuidA)
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		end := make(chan struct{}) // of the bubble, or its time would stand still
		node.controllerReset = func() error { <-end; return nil }
		if _, err := l.Ensure(ctx, testVolume("a", uuidA, way1, way2)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		impatient, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := l.ResetController(impatient, "a", way1.String(), permitted); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("while the kernel is at it: %v", err)
		}
		if err := l.ResetController(ctx, "a", way2.String(), permitted); !errors.Is(err, ErrBusy) {
			t.Errorf("the other path meanwhile: %v, want %v", err, ErrBusy)
		}
		if _, err := l.Ensure(ctx, testVolume("a", uuidA, way1, way2)); err != nil {
			t.Errorf("staging meanwhile: %v", err)
		}
		close(end)
		synctest.Wait()
		if err := l.ResetController(ctx, "a", way2.String(), permitted); err != nil {
			t.Errorf("once it has ended: %v", err)
		}
	})
}
