package head

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// TestANAError: a path whose command got an ANA error is not used until the ANA
// log has been read again, as often as there was another error meanwhile.
func TestANAError(t *testing.T) {
	inBubble(t, Config{}, func(b *bed) {
		f := b.devs[0]
		gate := make(chan struct{})
		f.change(func(f *fakeDevice) { f.gate = gate })
		d1, d2 := b.io(nvmetcp.Write, 0, 1), b.io(nvmetcp.Write, 1, 1)
		r1, r2 := b.sent(0), b.sent(0)
		logs := f.logs.Load()
		answer(r1, nvme.StatusANAInaccessible|nvme.More)
		answer(b.sent(1), nvme.StatusSuccess)
		b.ended(d1, nvme.StatusSuccess)
		answer(r2, nvme.StatusANATransition) // while the log is read
		answer(b.sent(1), nvme.StatusSuccess)
		b.ended(d2, nvme.StatusSuccess)
		if f.logs.Load() != logs+1 {
			b.Errorf("the ANA log was read %d times, want once so far", f.logs.Load()-logs)
		}
		gate <- struct{}{} // the first answer
		synctest.Wait()
		if rank(b.h.Paths()[0].rank.Load()) != unusable {
			b.Error("the path is used with an ANA log from before the last error")
		}
		close(gate)
		synctest.Wait()
		if f.logs.Load() != logs+2 {
			b.Errorf("the ANA log was read %d times, want twice: an error came meanwhile", f.logs.Load()-logs)
		}
		b.counters(map[string]uint64{"0 failovers": 2})
		d1 = b.io(nvmetcp.Read, 0, 1)
		answer(b.sent(0), nvme.StatusSuccess)
		b.ended(d1, nvme.StatusSuccess)
	})
}

// TestNotSent: a path without a queue is not used until its controller answers
// again, even if that reads live. Else a request would bounce, and be counted
// each time.
func TestNotSent(t *testing.T) {
	inBubble(t, Config{}, func(b *bed) {
		gates := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
		for i, f := range b.devs {
			f.change(func(f *fakeDevice) { f.gate = gates[i] })
		}
		defer close(gates[1])
		d := b.io(nvmetcp.Write, 0, 1)
		answer(b.sent(0), nvme.StatusHostPathError)
		answer(b.sent(1), nvme.StatusHostPathError)
		b.idle("while no controller has answered")
		b.counters(map[string]uint64{"0 failovers": 1, "1 failovers": 1, "head requeues": 1})
		close(gates[0])
		answer(b.sent(0), nvme.StatusSuccess)
		b.ended(d, nvme.StatusSuccess)
	})
}

// TestANAStates: I/O follows the ANA log.
func TestANAStates(t *testing.T) {
	inBubble(t, Config{}, func(b *bed) {
		for _, tc := range []struct {
			one, two nvme.ANAState
			want     int // -1: none
		}{
			{nvme.ANAOptimized, nvme.ANAOptimized, 0},
			{nvme.ANANonOptimized, nvme.ANAOptimized, 1},
			{nvme.ANANonOptimized, nvme.ANAInaccessible, 0},
			{nvme.ANAPersistentLoss, nvme.ANANonOptimized, 1},
			{nvme.ANAChange, nvme.ANAInaccessible, -1},
			{nvme.ANAOptimized, nvme.ANAChange, 0},
		} {
			b.devs[0].setANA(tc.one)
			b.devs[1].setANA(tc.two)
			synctest.Wait()
			d := b.io(nvmetcp.Read, 0, 1)
			if tc.want < 0 {
				b.idle(string(tc.one) + " and " + string(tc.two))
				b.devs[0].setANA(nvme.ANAOptimized) // the parked one is kicked
				tc.want = 0
			}
			answer(b.sent(tc.want), nvme.StatusSuccess)
			b.ended(d, nvme.StatusSuccess)
		}
		b.devs[1].setANA(nvme.ANANonOptimized)
		b.devs[0].change(func(f *fakeDevice) { f.groups = nil })
		b.devs[0].cfg.ANAChanged()
		synctest.Wait()
		d := b.io(nvmetcp.Read, 0, 1)
		answer(b.sent(1), nvme.StatusSuccess) // a namespace without a group is pending
		b.ended(d, nvme.StatusSuccess)
	})
}

// TestANATransitionTime: a group that stays in change for 2 x ANATT resets its
// controller; one that leaves it in time does not.
func TestANATransitionTime(t *testing.T) {
	const anatt = 10 * time.Second
	inBubble(t, Config{}, func(b *bed) {
		for _, f := range b.devs {
			f.setANA(nvme.ANAChange)
		}
		synctest.Wait()
		b.pass(anatt)
		b.devs[0].cfg.ANAChanged()
		synctest.Wait()
		b.devs[1].setANA(nvme.ANANonOptimized)
		synctest.Wait()
		b.pass(anatt - 1)
		if b.devs[0].resets.Load() != 0 {
			b.Error("reset before 2 x ANATT")
		}
		b.pass(time.Nanosecond)
		b.pass(anatt)
		if b.devs[0].resets.Load() != 1 || b.devs[1].resets.Load() != 0 {
			b.Errorf("resets %d and %d, want 1 and 0", b.devs[0].resets.Load(), b.devs[1].resets.Load())
		}
	})
}

// TestReconnect: after a reconnect the path is not used before the controller
// has been looked at, and not at all if the namespace is another one now.
func TestReconnect(t *testing.T) {
	inBubble(t, Config{}, func(b *bed) {
		f := b.devs[0]
		f.set(nvme.StateConnecting)
		gate := make(chan struct{})
		f.change(func(f *fakeDevice) { f.gate = gate })
		go f.set(nvme.StateLive)
		d := b.io(nvmetcp.Read, 0, 1)
		answer(b.sent(1), nvme.StatusSuccess)
		b.ended(d, nvme.StatusSuccess)
		close(gate)
		synctest.Wait()
		d = b.io(nvmetcp.Read, 0, 1)
		answer(b.sent(0), nvme.StatusSuccess)
		b.ended(d, nvme.StatusSuccess)

		f.set(nvme.StateConnecting)
		other := nvme.NamespaceID{Type: nvme.NGUID, Value: "0c7f0c1e7d4f4f4c9a3f3c1b2a190899"}
		f.change(func(f *fakeDevice) { f.namespaces[0].IDs = []nvme.NamespaceID{other} })
		f.set(nvme.StateLive)
		synctest.Wait()
		if n := len(b.h.Paths()); n != 1 {
			b.Errorf("%d paths, want 1: the other has another namespace", n)
		}
		if _, err := b.s.Open(b.Context(), other); err == nil || !strings.Contains(err.Error(), "close it first") {
			b.Errorf("opening the new namespace of an NSID that is open: %v", err)
		}
		f.set(nvme.StateConnecting)
		f.change(func(f *fakeDevice) { f.namespaces[0].IDs = []nvme.NamespaceID{testID} })
		f.set(nvme.StateLive)
		synctest.Wait()
		if n := len(b.h.Paths()); n != 2 {
			b.Errorf("%d paths, want 2 again", n)
		}
	})
}

// TestUnknown: a namespace that cannot be identified for a moment stays a path,
// but after a reconnect the path is not used until it can.
func TestUnknown(t *testing.T) {
	inBubble(t, Config{}, func(b *bed) {
		f := b.devs[0]
		check := func(when string, want rank) {
			b.Helper()
			synctest.Wait()
			if got := b.h.Paths(); len(got) != 2 || rank(got[0].rank.Load()) != want {
				b.Errorf("%s: %d paths, rank of the first %d, want 2 and %d", when, len(got), got[0].rank.Load(), want)
			}
		}
		f.change(func(f *fakeDevice) { f.broken = true })
		f.cfg.NamespacesChanged()
		check("broken while it is live", optimized)
		f.set(nvme.StateConnecting)
		f.set(nvme.StateLive)
		check("broken after a reconnect", unusable)
		f.change(func(f *fakeDevice) { f.broken = false })
		b.pass(retryInspection)
		check("repaired", optimized)
	})
}

// TestRefused: a namespace that is not the same on another path is not used
// there, and the snapshot says why.
func TestRefused(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*fakeDevice)
		want   string
	}{
		{"another UUID", func(f *fakeDevice) { f.namespaces[0].IDs[0].Value = "0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190899" }, "elsewhere NSID 1 is [uuid:0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190801]"},
		{"another identifier too", func(f *fakeDevice) {
			f.namespaces[0].IDs = append(f.namespaces[0].IDs, nvme.NamespaceID{Type: nvme.EUI64, Value: "0025385a11215a3b"})
		}, "eui64:0025385a11215a3b"},
		{"another block size", func(f *fakeDevice) { f.namespaces[0].BlockShift = 12 }, "its blocks have 4096 bytes, elsewhere 512"},
		{"smaller", func(f *fakeDevice) { f.namespaces[0].Blocks-- }, "it has 1023 blocks, elsewhere 1024"},
		{"larger", func(f *fakeDevice) { f.namespaces[0].Blocks++ }, "it has 1025 blocks, elsewhere 1024"},
		{"private", func(f *fakeDevice) { f.namespaces[0].Shared = false }, "it is not shared"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, Config{}, func(b *bed) {
				f := b.devs[1]
				f.change(func(f *fakeDevice) { f.namespaces = nil })
				f.cfg.NamespacesChanged()
				synctest.Wait()
				if n := len(b.h.Paths()); n != 1 {
					b.Fatalf("%d paths, want 1: the namespace has gone from the other", n)
				}
				f.change(func(f *fakeDevice) {
					f.namespaces = newFakeDevice().namespaces
					tc.change(f)
				})
				f.cfg.NamespacesChanged()
				synctest.Wait()
				snap := b.s.Snapshot()
				if got := snap.Controllers[1].Refused[1]; len(b.h.Paths()) != 1 || !strings.Contains(got, tc.want) {
					b.Errorf("%d paths, the other refused: %q, want %q", len(b.h.Paths()), got, tc.want)
				}
			})
		})
	}
}

// TestGrow: a head grows when all of its paths have, and not before.
func TestGrow(t *testing.T) {
	inBubble(t, Config{}, func(b *bed) {
		for i, want := range []uint64{testBlocks, 2 * testBlocks} {
			b.devs[i].change(func(f *fakeDevice) { f.namespaces[0].Blocks = 2 * testBlocks })
			b.devs[i].cfg.NamespacesChanged()
			synctest.Wait()
			if got := b.h.Blocks(); got != want || len(b.h.Paths()) != 2 {
				b.Errorf("after path %d has grown: %d blocks on %d paths, want %d on 2", i, got, len(b.h.Paths()), want)
			}
		}
	})
}

// TestGoing: what a controller answers that is about to be removed is no reason
// to try it again.
func TestGoing(t *testing.T) {
	inBubble(t, Config{}, func(b *bed) {
		d := b.io(nvmetcp.Read, 0, 1)
		r := b.sent(0)
		b.devs[0].set(nvme.StateDeleting)
		answer(r, nvme.StatusInternalError)
		answer(b.sent(1), nvme.StatusSuccess)
		b.ended(d, nvme.StatusSuccess)
		b.counters(map[string]uint64{"0 failovers": 1})
	})
}

// TestDisconnect: what is on a controller that goes fails over, and the address
// is free again.
func TestDisconnect(t *testing.T) {
	inBubble(t, Config{}, func(b *bed) {
		d := b.io(nvmetcp.Write, 0, 1)
		c := b.s.Controllers()[0]
		if _, err := b.s.Connect(b.Context(), c.Address(), 0); err == nil || !strings.Contains(err.Error(), "connected already, and is live") {
			b.Errorf("connecting twice: %v", err)
		}
		if err := b.s.Disconnect(b.Context(), c); err != nil {
			b.Error(err)
		}
		answer(b.sent(1), nvme.StatusSuccess)
		b.ended(d, nvme.StatusSuccess)
		if n := len(b.h.Paths()); n != 1 {
			b.Errorf("%d paths, want 1", n)
		}
	})
}
