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

// in puts the first path's controller into a state, with so many requests in
// flight; fewer than none: nobody knows.
func in(state nvme.ControllerState, inFlight int) func(*fakeNode) {
	return func(f *fakeNode) {
		f.at(way1).State = state
		f.io = &PathIO{InFlight: inFlight}
		if inFlight < 0 {
			f.io = nil
		}
	}
}

func owner(name string) func(*fakeNode) {
	return func(f *fakeNode) { f.at(way1).Owner = name }
}

func TestKickConnection(t *testing.T) {
	refusal := errors.New("the last usable path")
	for name, tc := range map[string]struct {
		permit Permit
		node   func(*fakeNode)
		want   error
	}{
		"permitted":          {permitted, in(nvme.StateLive, 12), nil},
		"refused":            {func(*PathSet, *Subsystem) error { return refusal }, in(nvme.StateLive, 12), refusal},
		"not Braid's":        {permitted, owner("nvme-cli"), ErrConflict},
		"nobody's":           {permitted, owner(""), ErrConflict},
		"connecting already": {permitted, in(nvme.StateConnecting, 0), ErrUnfit},
	} {
		t.Run(name, func(t *testing.T) {
			node := newFakeNode(uuidA)
			withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
				node.staged(ctx, t, l)
				node.mu.Lock()
				tc.node(node)
				node.mu.Unlock()
				if err := l.KickConnection(ctx, "a", way1.String(), tc.permit); !errors.Is(err, tc.want) {
					t.Errorf("%v, want %v", err, tc.want)
				}
				var want []string
				if tc.want == nil {
					want = []string{way1.String()}
				}
				node.mu.Lock()
				defer node.mu.Unlock()
				if !slices.Equal(node.kicked, want) {
					t.Errorf("kicked %q, want %q", node.kicked, want)
				}
			})
		})
	}
}

func TestReconnect(t *testing.T) {
	for name, tc := range map[string]struct {
		node func(*fakeNode)
		want error
	}{
		"connecting":                      {in(nvme.StateConnecting, 0), nil},
		"connecting, requests in flight":  {in(nvme.StateConnecting, 1), ErrUnfit},
		"connecting, in flight not known": {in(nvme.StateConnecting, -1), ErrUnfit},
		"live":                            {in(nvme.StateLive, 0), ErrUnfit},
		"being reset":                     {in(nvme.StateResetting, 0), ErrUnfit},
		"not Braid's":                     {owner("nvme-cli"), ErrConflict},
	} {
		t.Run(name, func(t *testing.T) {
			node := newFakeNode(uuidA)
			withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
				node.staged(ctx, t, l)
				node.mu.Lock()
				tc.node(node)
				before := node.at(way1).Epoch
				node.mu.Unlock()
				if err := l.Reconnect(ctx, "a", way1.String(), permitted); !errors.Is(err, tc.want) {
					t.Errorf("%v, want %v", err, tc.want)
				}
				time.Sleep(2 * time.Second) //nolint:forbidigo // the bubble's time: the layer connects what is missing
				synctest.Wait()
				node.mu.Lock()
				defer node.mu.Unlock()
				c := node.at(way1)
				if anew := c.Epoch != before; anew != (tc.want == nil) {
					t.Errorf("connected anew: %t, want %t", anew, tc.want == nil)
				}
			})
		})
	}
}

// TestIOTimeout: every path that Braid connected gets the volume's timeout, once,
// and again when it is there anew.
func TestIOTimeout(t *testing.T) {
	node := newFakeNode(uuidA)
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		v := testVolume("a", uuidA, way1, way2)
		v.Connect.IOTimeout = 2 * time.Second
		if _, err := l.Ensure(ctx, v); err != nil {
			t.Fatal(err)
		}
		everywhere := func(when string) {
			t.Helper()
			time.Sleep(2 * time.Second) //nolint:forbidigo // the bubble's time
			synctest.Wait()
			for _, p := range l.seen.Load().Subsystem(testNQN).Heads[0].Paths {
				if p.IOTimeout != v.Connect.IOTimeout {
					t.Errorf("%s: %s has %s, want %s", when, p.Name, p.IOTimeout, v.Connect.IOTimeout)
				}
			}
		}
		everywhere("staged")
		node.drop(way1)
		node.mu.Lock()
		clear(node.timeouts)
		node.mu.Unlock()
		time.Sleep(timeoutPause) //nolint:forbidigo // the bubble's time
		everywhere("connected anew")
	})
}
