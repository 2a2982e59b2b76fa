package e2e

import (
	"math/rand/v2"
	"testing"

	"github.com/braid-csi/braid/hack/load"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/target"
)

// TestBPFInjectedStatus has the target answer a random number of reads on each
// path with a path error: every witness counts exactly as many, there.
func TestBPFInjectedStatus(t *testing.T) {
	s := newTargetScene(t, nil)
	w := newWitnesses(t)
	s.connect(nvmehost.ConnectOptions{})
	reads, err := load.StartReads(s.head.Device(), 16)
	must(t, err)
	want := make([]uint64, 2)
	for _, status := range []nvme.Status{nvme.StatusANAInaccessible, nvme.StatusControllerPathError, nvme.StatusANATransition | nvme.More} {
		for port := range want {
			n := 1 + rand.Int64N(100)
			s.inject(port, n, status)
			want[port] += uint64(n)
		}
		s.counted(w, want)
		t.Logf("reads answered %s: failovers %v", status, want)
	}
	must(t, reads.Stop())
	s.counted(w, want)
}

// inject has a path answer so many reads with a status, and waits until it has.
func (s *targetScene) inject(path int, n int64, status nvme.Status) {
	s.t.Helper()
	for _, p := range s.paths { // after an ANA error the kernel leaves a path alone until it has looked
		s.waitANA(p, "optimized")
	}
	id, err := s.target.Inject(target.Fault{Port: uint16(path + 1), Commands: target.Reads, Count: n, Status: status})
	must(s.t, err)
	s.until(status.String(), func() (bool, error) { return s.hits(id) == n, nil })
}

// counted waits until every witness has counted that many failovers.
func (s *targetScene) counted(w *witnesses, want []uint64) {
	s.t.Helper()
	var got []uint64
	var differ error
	s.until("all witnesses to agree", func() (bool, error) {
		got, differ = w.failovers(s.paths...)
		return differ == nil && got[0] >= want[0] && got[1] >= want[1], nil
	})
	if got[0] != want[0] || got[1] != want[1] {
		s.t.Errorf("failovers %v, want %v", got, want)
	}
}

// TestBPFEqualsAttribute breaks the paths again and again, whichever, whenever
// and however often it falls out: after each time all witnesses have the same
// number.
func TestBPFEqualsAttribute(t *testing.T) {
	s := newTargetScene(t, nil)
	w := newWitnesses(t)
	s.connect(nvmehost.ConnectOptions{})
	reads, err := load.StartReads(s.head.Device(), 32)
	must(t, err)
	var last []uint64
	for round := range 10 {
		path, from, wait := rand.IntN(2), reads.Completed(), rand.Uint64N(500)
		s.until("a moment like any other", func() (bool, error) { return reads.Completed() >= from+wait, nil })
		if round%2 == 0 {
			s.inject(path, 1+rand.Int64N(200), nvme.StatusControllerPathError)
		} else {
			s.drop(path)
		}
		var differ error
		s.until("all witnesses to agree", func() (bool, error) {
			last, differ = w.failovers(s.paths...)
			return differ == nil, nil
		})
		t.Logf("round %d, path %d: failovers %v", round, path+1, last)
	}
	must(t, reads.Stop())
	got, err := w.failovers(s.paths...)
	must(t, err)
	if got[0]+got[1] < last[0]+last[1] || got[0]+got[1] == 0 {
		t.Errorf("failovers %v, there were %v before", got, last)
	}
}

// drop ends a path's connections with reads in flight, and waits until the
// kernel is back.
func (s *targetScene) drop(path int) {
	s.t.Helper()
	must(s.t, s.target.Drop(uint16(path+1), target.AllQueues))
	s.until("the loss to be noticed", func() (bool, error) {
		state, err := s.controllers[path].State()
		return state != "live", err
	})
	must(s.t, s.controllers[path].WaitState(s.ctx, "live"))
	s.waitANA(s.paths[path], "optimized")
}

// TestBPFANA makes a path inaccessible under I/O until requests were on their
// way: they fail over from that path, and none from the other.
func TestBPFANA(t *testing.T) {
	s := newTargetScene(t, nil)
	w := newWitnesses(t)
	s.connect(nvmehost.ConnectOptions{})
	reads, err := load.StartReads(s.head.Device(), 32)
	must(t, err)
	var got []uint64
	s.until("requests to meet the ANA state", func() (bool, error) {
		for _, state := range []nvme.ANAState{nvme.ANAInaccessible, nvme.ANAOptimized} {
			must(t, s.target.SetANA(1, 1, state))
			s.waitANA(s.paths[0], string(state))
		}
		var err error
		got, err = w.failovers(s.paths...)
		return err == nil && got[0] > 0, nil
	})
	must(t, reads.Stop())
	got, err = w.failovers(s.paths...)
	must(t, err)
	if got[0] == 0 || got[1] != 0 {
		t.Errorf("failovers %v, want some from the first path and none from the second", got)
	}
	t.Logf("failovers %v", got)
}
