package head

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// TestCommands: what a request becomes, and what is refused.
func TestCommands(t *testing.T) {
	inBubble(t, Config{}, func(b *bed) {
		for _, tc := range []struct {
			name string
			r    Request
			want nvmetcp.Command
			data int
			err  nvme.Status
		}{
			{"read", Request{Op: nvmetcp.Read, Start: 1 << 9, Blocks: 2, Data: make([]byte, 1024)},
				nvmetcp.Command{Opcode: nvmetcp.Read, NSID: 1, Dwords: [6]uint32{512, 0, 1}}, 1024, 0},
			{"FUA write", Request{Op: nvmetcp.Write, Blocks: 1, FUA: true, Data: make([]byte, 512)},
				nvmetcp.Command{Opcode: nvmetcp.Write, NSID: 1, Dwords: [6]uint32{0, 0, 1 << 30}}, 512, 0},
			{"flush", Request{Op: nvmetcp.Flush}, nvmetcp.Command{Opcode: nvmetcp.Flush, NSID: 1}, 0, 0},
			{"write zeroes", Request{Op: nvmetcp.WriteZeroes, Start: 8, Blocks: 1016},
				nvmetcp.Command{Opcode: nvmetcp.WriteZeroes, NSID: 1, Dwords: [6]uint32{8, 0, 1015}}, 0, 0},
			{"discard", Request{Op: nvmetcp.DatasetManagement, Start: 8, Blocks: 1016},
				nvmetcp.Command{Opcode: nvmetcp.DatasetManagement, NSID: 1, Dwords: [6]uint32{0, 4}}, 16, 0},
			{"behind the end", Request{Op: nvmetcp.WriteZeroes, Start: 1024, Blocks: 1}, nvmetcp.Command{}, 0, 0x4080},
			{"over the end", Request{Op: nvmetcp.DatasetManagement, Start: 1023, Blocks: 2}, nvmetcp.Command{}, 0, 0x4080},
			{"far behind the end", Request{Op: nvmetcp.WriteZeroes, Start: ^uint64(0), Blocks: 2}, nvmetcp.Command{}, 0, 0x4080},
			{"no blocks", Request{Op: nvmetcp.WriteZeroes}, nvmetcp.Command{}, 0, 0x4002},
			{"too little data", Request{Op: nvmetcp.Write, Blocks: 2, Data: make([]byte, 512)}, nvmetcp.Command{}, 0, 0x4002},
			{"compare", Request{Op: nvmetcp.Compare, Blocks: 1, Data: make([]byte, 512)}, nvmetcp.Command{}, 0, 0x4001},
		} {
			done := make(chan nvme.Status, 1)
			tc.r.Done = func(r *Request) { done <- r.Status }
			b.h.Submit(&tc.r)
			if tc.err == 0 {
				c := b.sent(0)
				if diff := cmp.Diff(tc.want, c.Command); diff != "" || len(c.Data) != tc.data {
					b.Errorf("%s: %d bytes of data, want %d; command (-want +got):\n%s", tc.name, len(c.Data), tc.data, diff)
				}
				answer(c, nvme.StatusSuccess)
			}
			b.ended(done, tc.err)
			b.idle(tc.name)
		}
	})
}

// TestFailover: each request that was lost is counted once, on the path it
// left, and succeeds on the other.
func TestFailover(t *testing.T) {
	inBubble(t, Config{}, func(b *bed) {
		var done []chan nvme.Status
		for i := range 5 {
			done = append(done, b.io(nvmetcp.Read, uint64(i), 1))
		}
		b.devs[0].set(nvme.StateConnecting)
		for range done {
			lose(b.sent(0))
		}
		for _, d := range done {
			answer(b.sent(1), nvme.StatusSuccess)
			b.ended(d, nvme.StatusSuccess)
		}
		b.counters(map[string]uint64{"0 failovers": 5})
		if list := b.h.InDoubt(); list != nil {
			b.Errorf("reads put %+v in doubt", list)
		}
		for _, c := range []nvme.Counter{nvme.Failovers, nvme.Retries, nvme.Errors} {
			if err := b.h.Paths()[0].SetCounter(c, 7); err != nil {
				b.Error(err)
			}
		}
		b.counters(map[string]uint64{"0 failovers": 7, "0 retries": 7, "0 errors": 7})
		if err := b.h.Paths()[0].SetCounter(nvme.Requeues, 0); err == nil {
			b.Error("a path has the counter requeues")
		}
	})
}

// TestRetry: the controller's retry delay is honoured, five times.
func TestRetry(t *testing.T) {
	inBubble(t, Config{}, func(b *bed) {
		d := b.io(nvmetcp.Write, 0, 1)
		begin := time.Now()
		for i := range time.Duration(maxRetries + 1) {
			r := <-b.devs[0].submitted
			if got, want := time.Since(begin), i*2*time.Second; got != want {
				b.Errorf("try %d after %s, want %s", i, got, want)
			}
			answer(r, 0x1006) // internal error, CRD 2
		}
		b.ended(d, 0x1006)
		b.counters(map[string]uint64{"0 retries": 5, "0 errors": 1})
		d = b.io(nvmetcp.Write, 0, 1)
		answer(b.sent(0), nvme.StatusWriteFault|nvme.DNR)
		b.ended(d, nvme.StatusWriteFault|nvme.DNR)
		b.counters(map[string]uint64{"0 retries": 5, "0 errors": 2})
	})
}

// TestRetriesStartAnew: the retries that a request has had count on its path
// only.
func TestRetriesStartAnew(t *testing.T) {
	inBubble(t, Config{}, func(b *bed) {
		d := b.io(nvmetcp.Read, 0, 1)
		for range maxRetries - 1 {
			answer(b.sent(0), nvme.StatusInternalError)
		}
		answer(b.sent(0), nvme.StatusInternalPathError)
		b.devs[0].setANA(nvme.ANAInaccessible) // so that it stays on the second
		for range maxRetries {
			answer(b.sent(1), nvme.StatusInternalError)
		}
		answer(b.sent(1), nvme.StatusSuccess)
		b.ended(d, nvme.StatusSuccess)
		b.counters(map[string]uint64{"0 failovers": 1, "0 retries": maxRetries - 1, "1 retries": maxRetries})
	})
}

// TestRequeueCount: each failover kicks the head, and counts what is parked
// once more, as in Linux. The path that was left is forgotten.
func TestRequeueCount(t *testing.T) {
	inBubble(t, Config{IOPolicy: nvme.IOPolicyRoundRobin}, func(b *bed) {
		lost := b.io(nvmetcp.Read, 0, 1)
		r := b.sent(0)
		for _, f := range b.devs {
			f.set(nvme.StateConnecting)
		}
		b.io(nvmetcp.Read, 1, 1)
		b.counters(map[string]uint64{"head requeues": 1})
		lose(r)
		synctest.Wait()
		b.counters(map[string]uint64{"head requeues": 3, "0 failovers": 1})
		if len(lost) > 0 || b.h.current.Load() != nil {
			b.Errorf("done %d, current path %v", len(lost), b.h.current.Load())
		}
	})
}

// TestNoPath: requests wait while a path may become usable, and no longer.
func TestNoPath(t *testing.T) {
	cfg := Config{NoPathTimeout: 30 * time.Second}
	inBubble(t, cfg, func(b *bed) {
		b.devs[0].set(nvme.StateConnecting)
		b.devs[1].set(nvme.StateConnecting)
		synctest.Wait()
		one, two := b.io(nvmetcp.Write, 0, 1), b.io(nvmetcp.Read, 0, 1)
		b.idle("without a usable path")
		b.counters(map[string]uint64{"head requeues": 2})
		b.devs[1].set(nvme.StateResetting) // a kick: parked requests count again
		synctest.Wait()
		b.counters(map[string]uint64{"head requeues": 4})
		b.pass(29 * time.Second)
		b.devs[1].set(nvme.StateLive)
		answer(b.sent(1), nvme.StatusSuccess)
		answer(b.sent(1), nvme.StatusSuccess)
		b.ended(one, nvme.StatusSuccess)
		b.ended(two, nvme.StatusSuccess)

		b.devs[1].set(nvme.StateConnecting)
		one = b.io(nvmetcp.Write, 0, 1)
		b.pass(cfg.NoPathTimeout)
		b.ended(one, nvme.StatusHostPathError)
		if got := b.h.Counters()[nvme.Failures]; got != 1 {
			b.Errorf("%d failures, want 1", got)
		}
		one = b.io(nvmetcp.Write, 0, 1)
		for _, f := range b.devs {
			f.change(func(f *fakeDevice) { f.failed = true })
			f.cfg.StateChanged(nvme.StateConnecting)
		}
		b.ended(one, nvme.StatusHostPathError)
		two = b.io(nvmetcp.Read, 0, 1)
		b.ended(two, nvme.StatusHostPathError)
		if got := b.h.Counters()[nvme.Failures]; got != 3 {
			b.Errorf("%d failures, want 3", got)
		}
	})
}

// TestHold: a lost write is retried at once; what changes the same blocks later
// waits for the end of the window, and nothing else does.
func TestHold(t *testing.T) {
	inBubble(t, Config{}, func(b *bed) {
		lost := b.io(nvmetcp.Write, 8, 8)
		lose(b.sent(0))
		b.devs[0].set(nvme.StateConnecting)
		answer(b.sent(1), nvme.StatusSuccess)
		b.ended(lost, nvme.StatusSuccess)
		for _, op := range []nvmetcp.Opcode{nvmetcp.Read, nvmetcp.Flush} {
			d := b.io(op, 8, 8)
			answer(b.sent(1), nvme.StatusSuccess)
			b.ended(d, nvme.StatusSuccess)
		}
		d := b.io(nvmetcp.Write, 0, 8)
		answer(b.sent(1), nvme.StatusSuccess)
		b.ended(d, nvme.StatusSuccess)

		var done []chan nvme.Status
		for _, op := range []nvmetcp.Opcode{nvmetcp.Write, nvmetcp.WriteZeroes, nvmetcp.DatasetManagement} {
			done = append(done, b.io(op, 15, 1))
		}
		b.pass(window - 1)
		b.idle("just before the end of the window")
		snap := b.s.Snapshot().Heads[0]
		if snap.Held != 3 || len(snap.InDoubt) != 1 {
			b.Errorf("before the end of the window: %+v", snap)
		}
		b.pass(inDoubtGrain)
		for _, d := range done {
			answer(b.sent(1), nvme.StatusSuccess)
			b.ended(d, nvme.StatusSuccess)
		}
		if b.h.doubts.any() {
			b.Error("after the window something is in doubt")
		}
	})
}

// TestHoldOptions: the window can be replaced, the retry can be held too, and
// nothing at all.
func TestHoldOptions(t *testing.T) {
	for _, tc := range []struct {
		name         string
		cfg          InDoubtConfig
		retry, later time.Duration // when they are sent
	}{
		{"by default", InDoubtConfig{}, 0, window},
		{"another window", InDoubtConfig{Window: time.Minute}, 0, time.Minute},
		{"shared access", InDoubtConfig{HoldRetries: true}, window, window},
		{"ignored", InDoubtConfig{Ignore: true}, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, Config{InDoubt: tc.cfg}, func(b *bed) {
				begin := time.Now()
				b.io(nvmetcp.Write, 0, 1)
				lose(b.sent(0))
				b.devs[0].set(nvme.StateConnecting)
				check := func(what string, want time.Duration) {
					r := <-b.devs[1].submitted
					if got := time.Since(begin); got < want || got > want+inDoubtGrain {
						b.Errorf("%s was sent after %s, want %s", what, got, want)
					}
					answer(r, nvme.StatusSuccess)
				}
				check("the retry", tc.retry)
				b.io(nvmetcp.Write, 0, 1)
				check("the later write", tc.later)
			})
		})
	}
}

// TestHoldInFlight: a write that was on its way when another to the same block
// was lost is written again after the window, and not done before.
func TestHoldInFlight(t *testing.T) {
	inBubble(t, Config{IOPolicy: nvme.IOPolicyRoundRobin}, func(b *bed) {
		lost, other := b.io(nvmetcp.Write, 0, 2), b.io(nvmetcp.Write, 1, 1)
		first, second := b.sent(0), b.sent(1)
		lose(first)
		b.devs[0].set(nvme.StateConnecting)
		answer(second, nvme.StatusSuccess)
		answer(b.sent(1), nvme.StatusSuccess) // the retry
		b.ended(lost, nvme.StatusSuccess)
		if len(other) != 0 {
			b.Error("the other write is done, though the lost one may change its block")
		}
		b.idle("during the window")
		b.pass(window)
		answer(b.sent(1), nvme.StatusSuccess)
		b.ended(other, nvme.StatusSuccess)
	})
}

// TestHoldBothLost: of two writes to one block that are both lost, neither may
// be retried before the other can no longer land on it.
func TestHoldBothLost(t *testing.T) {
	inBubble(t, Config{}, func(b *bed) {
		d1, d2 := b.io(nvmetcp.Write, 0, 1), b.io(nvmetcp.Write, 0, 1)
		r1, r2 := b.sent(0), b.sent(0)
		b.devs[0].set(nvme.StateConnecting)
		lose(r1)
		lose(r2)
		synctest.Wait()
		if n := len(b.devs[1].submitted); n > 1 {
			b.Errorf("%d of both writes were retried at once, want one at most", n)
		} else if n == 1 { // before the other was lost
			answer(b.sent(1), nvme.StatusSuccess)
		}
		b.idle("during the window")
		b.pass(window)
		for range 2 {
			answer(b.sent(1), nvme.StatusSuccess)
		}
		b.ended(d1, nvme.StatusSuccess)
		b.ended(d2, nvme.StatusSuccess)
	})
}

// TestLostAgain: a retry that is lost too extends the window.
func TestLostAgain(t *testing.T) {
	inBubble(t, Config{}, func(b *bed) {
		lost := b.io(nvmetcp.DatasetManagement, 0, 8)
		lose(b.sent(0))
		retried := b.sent(1)
		b.pass(window / 2)
		lose(retried)
		answer(b.sent(0), nvme.StatusSuccess)
		b.ended(lost, nvme.StatusSuccess)
		later := b.io(nvmetcp.Write, 0, 1)
		b.pass(window - 1)
		b.idle("before the end of the second window")
		b.pass(time.Nanosecond)
		answer(b.sent(0), nvme.StatusSuccess)
		b.ended(later, nvme.StatusSuccess)
	})
}

// TestClose: what waits ends, what is on a path is waited for, and what is in
// doubt goes to the successor.
func TestClose(t *testing.T) {
	inBubble(t, Config{}, func(b *bed) {
		lost := b.io(nvmetcp.Write, 0, 1)
		lose(b.sent(0))
		answer(b.sent(1), nvme.StatusSuccess)
		b.ended(lost, nvme.StatusSuccess)
		waits := b.io(nvmetcp.Write, 0, 1)
		b.io(nvmetcp.Read, 0, 1)
		ctx, cancel := context.WithTimeout(b.Context(), time.Second)
		defer cancel()
		if err := b.h.Close(ctx); err == nil || !strings.Contains(err.Error(), "with 1 requests") {
			b.Errorf("closing with a request on a path: %v", err)
		}
		b.ended(waits, nvme.StatusAbortedSQDeletion)
		late := b.io(nvmetcp.Read, 0, 1)
		b.ended(late, nvme.StatusAbortedSQDeletion)
		for _, f := range b.devs {
			for len(f.submitted) > 0 {
				answer(<-f.submitted, nvme.StatusSuccess)
			}
		}
		if err := b.h.Close(b.Context()); err != nil {
			b.Error(err)
		}
		inDoubt := b.h.InDoubt()
		if len(inDoubt) != 1 || inDoubt[0].Start != 0 || inDoubt[0].Blocks != 1 {
			b.Errorf("in doubt after closing: %+v", inDoubt)
		}
		next, err := b.s.Open(b.Context(), testID)
		if err != nil {
			b.Fatal(err)
		}
		next.Inherit(inDoubt)
		b.h = next
		begin := time.Now()
		held := b.io(nvmetcp.Write, 0, 1)
		b.idle("the successor during the window")
		if err := next.Settle(b.Context()); err != nil {
			b.Error(err)
		}
		if got := time.Since(begin); got < window-2*time.Second {
			b.Errorf("settled after %s", got)
		}
		answer(b.sent(0), nvme.StatusSuccess)
		b.ended(held, nvme.StatusSuccess)
	})
}
