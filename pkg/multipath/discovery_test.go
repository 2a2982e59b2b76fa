package multipath

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/nvme"
)

const host3 = "192.0.2.3:4420"

var (
	way3 = ways(3)[0]
	// directory1 and directory2 are discovery controllers.
	directory1 = nvme.TransportID{Transport: nvme.TransportTCP, TrAddr: "192.0.2.1", TrSvcID: "8009"}
	directory2 = nvme.TransportID{Transport: nvme.TransportTCP, TrAddr: "192.0.2.2", TrSvcID: "8009"}
)

// findable is a volume over two paths whose target has discovery controllers.
func findable() Volume {
	v := testVolume("v", uuidA, way1, way2)
	v.Discovery = []nvme.TransportID{directory1, directory2}
	return v
}

// list says what discovery controllers list; those that list nil do not answer.
func (f *fakeNode) list(first, second []nvme.TransportID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listed = map[nvme.TransportID][]nvme.TransportID{}
	for from, listed := range map[nvme.TransportID][]nvme.TransportID{directory1: first, directory2: second} {
		if listed != nil {
			f.listed[from] = listed
		}
	}
}

// fail has the target lose an address: the kernel goes on trying, and whoever
// connects is refused.
func (f *fakeNode) fail(of nvme.TransportID) {
	f.answerWith(of, refused)
	f.setState(of, nvme.StateConnecting)
}

// refusedBeside is what connecting does as long as there is a controller of an
// address, of which the target gave the ID out again.
func (f *fakeNode) refusedBeside(other nvme.TransportID) func(context.Context) error {
	return func(context.Context) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if slices.ContainsFunc(f.present, func(c Controller) bool { return c.Address == other }) {
			return syscall.EINVAL
		}
		return nil
	}
}

func (f *fakeNode) timesAsked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

// TestAddressMoved: what becomes of a path whose address fails, a minute later.
func TestAddressMoved(t *testing.T) {
	way4 := ways(4)[0]
	for name, tc := range map[string]struct {
		before []nvme.TransportID // listed by both while all is well
		first  []nvme.TransportID // listed afterwards; nil: no answer
		second []nvme.TransportID
		node   func(*fakeNode)
		want   []string // connected
		known  string   // the expected ones
	}{
		"moved":                    {ways(1, 2), nil, ways(2, 3), nil, []string{host2, host3}, "2 3"},
		"moved, and both say so":   {ways(1, 2), ways(2, 3), ways(2, 3), nil, []string{host2, host3}, "2 3"},
		"one still lists it":       {ways(1, 2), ways(1, 2), ways(2, 3), nil, []string{host1, host2}, "1 2"},
		"down, and listed":         {ways(1, 2), nil, ways(1, 2), nil, []string{host1, host2}, "1 2"},
		"down, and left out":       {ways(1, 2), nil, ways(2), nil, []string{host1, host2}, "1 2"},
		"nobody answers":           {ways(1, 2), nil, nil, nil, []string{host1, host2}, "1 2"},
		"another is there already": {ways(1, 2, 3), nil, ways(2, 3), nil, []string{host1, host2}, "1 2"},
		"this node":                {ways(1, 2), nil, append(ways(2, 3), nvme.TransportID{Transport: nvme.TransportTCP, TrAddr: "127.0.0.1", TrSvcID: "22"}), nil, []string{host1, host2}, "1 2"},
		"in flight": {ways(1, 2), nil, ways(2, 3), func(f *fakeNode) { f.io = &PathIO{InFlight: 1} },
			[]string{host1, host2, host3}, "2 3"},
		"the new one is dead":        {ways(1, 2), nil, ways(2, 3), func(f *fakeNode) { f.answer[way3] = refused }, []string{host1, host2}, "2 3"},
		"its controller ID is taken": {ways(1, 2), nil, ways(2, 3), func(f *fakeNode) { f.answer[way3] = f.refusedBeside(way1) }, []string{host2, host3}, "2 3"},
		"somebody else's":            {ways(1, 2), nil, ways(2, 3), func(f *fakeNode) { f.at(way1).Owner = "nvme-cli" }, []string{host1, host2, host3}, "2 3"},
		"the last path that is usable, elsewhere": {ways(1, 2), nil, ways(2, 3), func(f *fakeNode) { f.without[way2], f.without[way3] = uuidB, uuidB },
			[]string{host1, host2, host3}, "2 3"},
		"not even connected": {ways(1, 2), nil, ways(2, 3, 4), func(f *fakeNode) {
			f.present = slices.DeleteFunc(f.present, func(c Controller) bool { return c.Address == way1 })
		}, []string{host2, host3, way4.Address()}, "2 3 4"},
	} {
		t.Run(name, func(t *testing.T) {
			node := newFakeNode(uuidA, uuidB)
			node.list(tc.before, tc.before)
			withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
				if _, err := l.Ensure(ctx, findable()); err != nil {
					t.Fatal(err)
				}
				sleep(2 * time.Second)
				node.list(tc.first, tc.second)
				node.fail(way1)
				if tc.node != nil {
					node.mu.Lock()
					tc.node(node)
					node.mu.Unlock()
				}
				sleep(time.Minute)
				if diff := cmp.Diff(tc.want, node.connected()); diff != "" {
					t.Errorf("connected (-want +got):\n%s", diff)
				}
				var known []nvme.TransportID
				for _, p := range l.Snapshot().PathSet("v").Paths {
					if p.Expected {
						known = append(known, p.Address)
					}
				}
				if diff := cmp.Diff(tc.known, numbers(known)); diff != "" {
					t.Errorf("expected (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestAddressMovedIsKept: what was learned is on record before anything is
// connected, Ensure may be repeated, and the snapshot tells from where it is.
func TestAddressMovedIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node, dir := newFakeNode(uuidA), t.TempDir()
		node.list(ways(1, 2), ways(1, 2))
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
			if _, err := l.Ensure(ctx, findable()); err != nil {
				t.Fatal(err)
			}
			sleep(2 * time.Second)
			node.list(nil, ways(2, 3))
			node.fail(way1)
			// Braid dies while the new address is connected, which it never will be.
			node.answerWith(way3, func(ctx context.Context) error {
				if v, err := l.store.load(ctx); err != nil || numbers(v["v"].expected()) != "2 3" {
					t.Errorf("connecting, and on record is %+v, %v", v["v"], err)
				}
				return hangs(ctx)
			})
			sleep(lostFor + time.Second)
		})
		node.list(nil, nil)
		node.answerWith(way3, nil)
		run(func(ctx context.Context, l *Layer) {
			sleep(time.Second)
			if _, err := l.Ensure(ctx, findable()); err != nil {
				t.Errorf("Ensure, repeated: %v", err)
			}
			sleep(tidyInterval)
			if diff := cmp.Diff([]string{host2, host3}, node.connected()); diff != "" {
				t.Errorf("connected by the next run (-want +got):\n%s", diff)
			}
			set := l.Snapshot().PathSet("v")
			if set.Expected != 2 || set.Usable() != 2 || set.Paths[0].Learned != nil {
				t.Errorf("%+v", set)
			}
			want := &Learned{From: directory2, InPlaceOf: ways(1)}
			if diff := cmp.Diff(want, set.Paths[1].Learned, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".At" }, cmp.Ignore())); diff != "" {
				t.Errorf("learned (-want +got):\n%s", diff)
			}
			if err := l.Release(ctx, "v", ""); err != nil || len(node.connected()) > 0 || records(t, l) > 0 {
				t.Errorf("released: %v; connected %v", err, node.connected())
			}
		})
	})
}

// TestAddressMovedUnrecorded: where nothing can be written, nothing is connected
// of which the next run would not know.
func TestAddressMovedUnrecorded(t *testing.T) {
	node := newFakeNode(uuidA)
	node.list(ways(1, 2), ways(1, 2))
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		if _, err := l.Ensure(ctx, findable()); err != nil {
			t.Fatal(err)
		}
		sleep(2 * time.Second)
		l.mu.Lock()
		l.store.dir += "/gone"
		l.mu.Unlock()
		node.list(nil, ways(2, 3))
		node.fail(way1)
		sleep(time.Minute)
		if diff := cmp.Diff([]string{host1, host2}, node.connected()); diff != "" {
			t.Errorf("connected (-want +got):\n%s", diff)
		}
		if p := l.Snapshot().PathSet("v").Paths[0]; !strings.Contains(p.ConnectError, "record volume") {
			t.Errorf("the path does not say why: %+v", p)
		}
	})
}

// TestAddressMovedBack: moved, and moved back.
func TestAddressMovedBack(t *testing.T) {
	node := newFakeNode(uuidA)
	node.list(ways(1, 2), ways(1, 2))
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		if _, err := l.Ensure(ctx, findable()); err != nil {
			t.Fatal(err)
		}
		sleep(2 * time.Second)
		node.list(nil, ways(2, 3))
		node.fail(way1)
		sleep(time.Minute)
		node.answerWith(way1, nil)
		node.list(ways(1, 2), ways(1, 2))
		node.fail(way3)
		sleep(time.Minute)
		if diff := cmp.Diff([]string{host1, host2}, node.connected()); diff != "" {
			t.Errorf("connected (-want +got):\n%s", diff)
		}
		for _, p := range l.Snapshot().PathSet("v").Paths {
			if !p.Expected || p.Learned != nil {
				t.Errorf("%+v", p)
			}
		}
	})
}

// TestStageAtOldAddresses: a volume whose addresses have moved before it is
// staged. Somebody waits, so nothing is waited for.
func TestStageAtOldAddresses(t *testing.T) {
	for name, tc := range map[string]struct {
		listed []nvme.TransportID
		want   error
	}{
		"moved":    {ways(3, 4), nil},
		"gone":     {ways(), ErrNoPath},
		"as known": {ways(1, 2), ErrNoPath},
	} {
		t.Run(name, func(t *testing.T) {
			node := newFakeNode(uuidA)
			node.list(nil, tc.listed)
			withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
				node.answerWith(way1, refused)
				node.answerWith(way2, refused)
				v := findable()
				v.MinPaths = 2
				began := time.Now()
				if _, err := l.Ensure(ctx, v); !errors.Is(err, tc.want) {
					t.Errorf("%v, want %v", err, tc.want)
				}
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

// TestInquiries: nobody is asked for nothing, nor ever more often.
func TestInquiries(t *testing.T) {
	node := newFakeNode(uuidA)
	node.list(ways(1, 2), ways(1, 2))
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		asked := func(when string, least, most int) {
			t.Helper()
			if n := node.timesAsked(); n < least || n > most {
				t.Errorf("%s: asked %d times, want %d to %d", when, n, least, most)
			}
			node.mu.Lock()
			defer node.mu.Unlock()
			node.asked = 0
		}
		if _, err := l.Ensure(ctx, findable()); err != nil {
			t.Fatal(err)
		}
		sleep(time.Hour)
		asked("all is well", 2, 2)
		node.setState(way1, nvme.StateConnecting)
		sleep(lostFor - time.Second)
		node.setState(way1, nvme.StateLive)
		sleep(time.Hour)
		asked("lost for a moment", 0, 0)
		if err := l.Drain(ctx, work(way1, 2*time.Hour)); err != nil {
			t.Fatal(err)
		}
		sleep(time.Hour)
		asked("maintenance", 0, 0)
		if err := l.Return(ctx, way1); err != nil {
			t.Fatal(err)
		}
		node.setState(way1, nvme.StateConnecting)
		sleep(time.Hour)
		asked("lost for an hour", 2*12, 2*25)
		node.setState(way2, nvme.StateConnecting)
		sleep(lostFor + 2*time.Second)
		asked("another one is lost", 2, 2)
	})
}

// TestInquiryAfterSilence: discovery controllers that did not answer while all was
// well are asked at once when a path is lost.
func TestInquiryAfterSilence(t *testing.T) {
	node := newFakeNode(uuidA)
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		if _, err := l.Ensure(ctx, findable()); err != nil {
			t.Fatal(err)
		}
		sleep(time.Hour)
		if n := node.timesAsked(); n > 2*25 {
			t.Errorf("asked %d times in an hour", n)
		}
		if p := l.Snapshot().PathSet("v").Paths[0]; p.ConnectError != "" {
			t.Errorf("a path that is well: %q", p.ConnectError)
		}
		node.list(nil, ways(2, 3))
		node.fail(way1)
		sleep(lostFor + 2*time.Second)
		if diff := cmp.Diff([]string{host1, host2, host3}, node.connected()); diff != "" {
			t.Errorf("connected (-want +got):\n%s", diff)
		}
	})
}

// TestNoDiscovery: a volume that names no discovery controllers asks nobody.
func TestNoDiscovery(t *testing.T) {
	node := newFakeNode(uuidA)
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		node.staged(ctx, t, l)
		node.fail(way1)
		sleep(time.Minute)
		if n := node.timesAsked(); n != 0 {
			t.Errorf("asked %d times", n)
		}
	})
}
