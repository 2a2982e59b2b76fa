package multipath

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/nvme"
)

func TestEnsure(t *testing.T) {
	for _, tc := range []struct {
		name       string
		node       func() *fakeNode
		volume     Volume
		wantErr    error
		wantWords  []string // of the error
		wantWithin time.Duration
		connected  []string // right after Ensure
		records    int
	}{{
		name: "all paths", node: func() *fakeNode { return newFakeNode(uuidA) },
		volume:     testVolume("v", uuidA, way1, way2),
		wantWithin: time.Second, connected: []string{"192.0.2.1:4420", "192.0.2.2:4420"}, records: 1,
	}, {
		name: "a dead address does not hold staging up",
		node: func() *fakeNode {
			f := newFakeNode(uuidA)
			f.answer[way2] = hangs
			return f
		},
		volume:     testVolume("v", uuidA, way1, way2),
		wantWithin: time.Second, connected: []string{"192.0.2.1:4420"}, records: 1,
	}, {
		name: "every path refused: undone, each named",
		node: func() *fakeNode {
			f := newFakeNode(uuidA)
			f.answer[way1], f.answer[way2] = refused, refused
			return f
		},
		volume: testVolume("v", uuidA, way1, way2), wantErr: ErrNoPath,
		wantWords:  []string{"192.0.2.1:4420: connection refused", "192.0.2.2:4420: connection refused"},
		wantWithin: time.Second, connected: []string{},
	}, {
		name: "fewer than minPaths: undone",
		node: func() *fakeNode {
			f := newFakeNode(uuidA)
			f.answer[way2] = refused
			return f
		},
		volume: func() Volume {
			v := testVolume("v", uuidA, way1, way2)
			v.MinPaths = 2
			return v
		}(), wantErr: ErrNoPath, wantWords: []string{"1 of at least 2"},
		wantWithin: time.Second, connected: []string{},
	}, {
		name: "no such namespace: undone", node: func() *fakeNode { return newFakeNode(uuidB) },
		volume: testVolume("v", uuidA, way1), wantErr: ErrNoNamespace, wantWords: []string{uuidA.String()},
		wantWithin: namespaceWait + time.Second, connected: []string{},
	}, {
		name: "a policy that the kernel does not know",
		node: func() *fakeNode { return newFakeNode(uuidA) },
		volume: func() Volume {
			v := testVolume("v", uuidA, way1)
			v.IOPolicy = "refused"
			return v
		}(), wantErr: ErrUnsupported, wantWithin: time.Second, connected: []string{},
	}} {
		t.Run(tc.name, func(t *testing.T) {
			node := tc.node()
			withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
				begin := time.Now()
				d, err := l.Ensure(ctx, tc.volume)
				if took := time.Since(begin); took > tc.wantWithin {
					t.Errorf("took %s, want at most %s", took, tc.wantWithin)
				}
				if !errors.Is(err, tc.wantErr) {
					t.Fatalf("error %v, want %v", err, tc.wantErr)
				}
				for _, w := range tc.wantWords {
					if !strings.Contains(err.Error(), w) {
						t.Errorf("error %q does not say %q", err, w)
					}
				}
				if err == nil && (d.State != DevicePresent || d.Path != "/dev/nvme0n1") {
					t.Errorf("device %+v", d)
				}
				synctest.Wait() // for what goes on in the background
				if diff := cmp.Diff(tc.connected, node.connected()); diff != "" {
					t.Errorf("connected (-want +got):\n%s", diff)
				}
				if got := records(t, l); got != tc.records {
					t.Errorf("%d records, want %d", got, tc.records)
				}
			})
		})
	}
}

func TestEnsureAgain(t *testing.T) {
	node := newFakeNode(uuidA, uuidB)
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		v := testVolume("v", uuidA, way1)
		first, err := l.Ensure(ctx, v)
		if err != nil {
			t.Fatal(err)
		}
		again, err := l.Ensure(ctx, v)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, again); diff != "" {
			t.Errorf("the same volume again (-first +again):\n%s", diff)
		}
		if _, err := l.Ensure(ctx, testVolume("v", uuidB, way1)); !errors.Is(err, ErrConflict) {
			t.Errorf("the same volume, differently: %v, want %v", err, ErrConflict)
		}
		if got := l.Snapshot().PathSet("v"); got == nil || got.Namespace != uuidA {
			t.Errorf("after the conflict the volume is %+v", got)
		}
	})
}

// TestMissingPathComesBack: a path that was not there at staging is connected
// once its address answers.
func TestMissingPathComesBack(t *testing.T) {
	node := newFakeNode(uuidA)
	node.answer[way2] = refused
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		if _, err := l.Ensure(ctx, testVolume("v", uuidA, way1, way2)); err != nil {
			t.Fatal(err)
		}
		sleep(5 * time.Minute)
		set := l.Snapshot().PathSet("v")
		if set.Usable() != 1 || set.Paths[1].ConnectError != "connection refused" {
			t.Errorf("while refused: %d usable, %q", set.Usable(), set.Paths[1].ConnectError)
		}
		node.mu.Lock()
		delete(node.answer, way2)
		node.mu.Unlock()
		sleep(2 * lastBackoff)
		if set := l.Snapshot().PathSet("v"); set.Usable() != 2 {
			t.Errorf("%d usable after the address answered, want 2: %+v", set.Usable(), set.Paths)
		}
	})
}

func TestIOPolicy(t *testing.T) {
	for _, tc := range []struct{ name, have, asked, want nvme.IOPolicy }{
		{"the kernel's default is replaced", nvme.IOPolicyNUMA, "", nvme.IOPolicyQueueDepth},
		{"what somebody chose stays", nvme.IOPolicyRoundRobin, "", nvme.IOPolicyRoundRobin},
		{"what the volume asks for is set", nvme.IOPolicyRoundRobin, nvme.IOPolicyNUMA, nvme.IOPolicyNUMA},
	} {
		t.Run(string(tc.name), func(t *testing.T) {
			node := newFakeNode(uuidA)
			node.policy = tc.have
			withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
				v := testVolume("v", uuidA, way1)
				v.IOPolicy = tc.asked
				if _, err := l.Ensure(ctx, v); err != nil {
					t.Fatal(err)
				}
				if node.policy != tc.want {
					t.Errorf("policy %s, want %s", node.policy, tc.want)
				}
			})
		})
	}
}

// TestNodeComesLate: the device node is made a moment after the device.
func TestNodeComesLate(t *testing.T) {
	for _, tc := range []struct {
		name  string
		after time.Duration
		want  error
	}{{"soon", 2 * time.Second, nil}, {"never", time.Hour, errNoNode}} {
		t.Run(tc.name, func(t *testing.T) {
			node := newFakeNode(uuidA)
			withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
				node.nodeFrom = time.Now().Add(tc.after)
				if _, err := l.Ensure(ctx, testVolume("v", uuidA, way1)); !errors.Is(err, tc.want) {
					t.Errorf("error %v, want %v", err, tc.want)
				}
			})
		})
	}
}

// TestReleaseWhileConnecting: a controller that is being connected, or that is
// live and not yet signed, is taken down all the same when its volume is
// released at that moment.
func TestReleaseWhileConnecting(t *testing.T) {
	node := newFakeNode(uuidA)
	node.signAfter = time.Second
	node.answer[way2] = func(context.Context) error {
		time.Sleep(time.Second / 2) //nolint:forbidigo // the bubble's time, in the kernel: not to be cancelled
		return nil
	}
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		if _, err := l.Ensure(ctx, testVolume("v", uuidA, way1, way2)); err != nil {
			t.Fatal(err)
		}
		if err := l.Release(ctx, "v", ""); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{}, node.connected()); diff != "" {
			t.Errorf("left behind (-want +got):\n%s", diff)
		}
	})
}
