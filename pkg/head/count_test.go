package head

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
	"github.com/braid-csi/braid/pkg/target"
)

// TestExactCount: N requests that one path answers with an ANA error, or loses
// when it is cut, are N failovers of that path, and none of the others.
func TestExactCount(t *testing.T) {
	const most = 100
	r := newRig(t, 3, 1<<20, Config{InDoubt: InDoubtConfig{Window: time.Millisecond}}) // no write is late here
	var users [most]*user
	for i := range users {
		users[i] = newUser(r.h)
	}
	data := make([]byte, 512)
	for i, p := range r.ports[:2] {
		if i > 0 { // by now this one is preferred
			r.must(r.target.SetANA(r.ports[0], 1, nvme.ANANonOptimized))
			r.until("the path to be non-optimized", func() bool { return rank(r.h.Paths()[0].rank.Load()) == nonOptimized })
		}
		n := 1 + rand.Int64N(most)
		t.Logf("%d requests on port %d", n, p)
		before := r.failovers()

		fault := r.inject(target.Fault{Port: p, Commands: target.AnyIO, Count: n, Status: nvme.StatusANAInaccessible})
		for left := n; left > 0; left = n - r.hits(fault) {
			// Those that another path has taken meanwhile do not count.
			r.write(users[:left], data)
		}
		want := before
		want[i] += uint64(n)
		if got := r.failovers(); got != want {
			t.Errorf("after %d answers 0x302 of port %d: failovers %v, want %v", n, p, got, want)
		}
		r.must(r.target.Clear(fault))
		r.until("the path to be used again", func() bool { return rank(r.h.Paths()[i].rank.Load()) == optimized })

		fault = r.inject(target.Fault{Port: p, Commands: target.Writes, Count: n, Delay: target.Duration(time.Hour)})
		for k, u := range users[:n] {
			u.begin(nvmetcp.Write, uint64(2*k), 1, data)
		}
		r.until("all requests to be in flight", func() bool { return r.hits(fault) == n })
		r.must(r.target.Cut(p))
		for _, u := range users[:n] {
			<-u.done
			if u.Status != nvme.StatusSuccess {
				t.Errorf("a write that was cut ended with %s", u.Status)
			}
		}
		want[i] += uint64(n)
		if got := r.failovers(); got != want {
			t.Errorf("after a cut of port %d with %d in flight: failovers %v, want %v", p, n, got, want)
		}
		r.must(r.target.Clear(0))
		r.must(r.target.Repair(p))
		r.must(r.h.Settle(t.Context()))
		r.until("the path to be used again", func() bool { return rank(r.h.Paths()[i].rank.Load()) == optimized })
	}
}

// write writes every second block.
func (r *rig) write(users []*user, data []byte) {
	for k, u := range users {
		u.begin(nvmetcp.Write, uint64(2*k), 1, data)
	}
	for _, u := range users {
		<-u.done
		if u.Status != nvme.StatusSuccess {
			r.Errorf("a write ended with %s", u.Status)
		}
	}
}

// failovers are the counts of the paths.
func (r *rig) failovers() (counts [3]uint64) {
	for i, p := range r.h.Paths() {
		counts[i] = p.Counters()[nvme.Failovers]
	}
	return counts
}

func (r *rig) hits(id target.FaultID) int64 {
	for _, f := range r.target.Faults() {
		if f.ID == id {
			return f.Hits
		}
	}
	return 0
}
