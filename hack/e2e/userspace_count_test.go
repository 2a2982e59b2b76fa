package e2e

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/load"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/target"
)

// TestUserspaceCounterEquality has the kernel and our host, one after the other,
// on one target, lose the same requests: both count them exactly, each on the
// path that it left.
func TestUserspaceCounterEquality(t *testing.T) {
	s := newTargetScene(t, nil)
	s.connect(nvmehost.ConnectOptions{})
	hosts := []countingHost{kernelHost{s}, newOurs(s.ctx, t, s.nqn, ourTarget{s}.addresses(), nil)}
	for range 3 {
		n := 1 + rand.IntN(100)
		for _, h := range hosts {
			s.countAnswers(h, n)
		}
	}
	for range 3 {
		n := 1 + rand.IntN(60)
		for _, h := range hosts {
			s.countCut(h, n)
			// Both have lost the path, and one that has not noticed yet would
			// lose the next requests too.
			for _, other := range hosts {
				other.waitLost()
			}
			must(t, s.target.Repair(1))
			for _, other := range hosts {
				other.waitPath(0, nvme.ANAOptimized)
				other.waitPath(1, nvme.ANAOptimized)
			}
		}
	}
}

// countingHost is a host with two paths that counts failovers.
type countingHost interface {
	fmt.Stringer
	startReads(depth int) (stop func() error)
	failovers() [2]uint64
	// inFlight is how many requests are on the first path.
	inFlight() int
	// waitLost waits until the host has noticed that the first path is cut.
	waitLost()
	// waitPath waits until a path is usable and in that state.
	waitPath(path int, state nvme.ANAState)
}

// countAnswers has n reads answered with a path error.
func (s *targetScene) countAnswers(h countingHost, n int) {
	s.t.Helper()
	before := h.failovers()
	stop := h.startReads(16)
	id, err := s.target.Inject(target.Fault{Port: 1, Commands: target.Reads, Count: int64(n), Status: nvme.StatusANAInaccessible})
	must(s.t, err)
	s.until("the target to have answered them", func() (bool, error) { return s.hits(id) == int64(n), nil })
	must(s.t, stop())
	must(s.t, s.target.Clear(id))
	s.wantFailovers(h, before, n, "answered 0x302")
	h.waitPath(0, nvme.ANAOptimized)
}

// countCut cuts the path that n reads are in flight on, and no others anywhere.
// It stays cut.
func (s *targetScene) countCut(h countingHost, n int) {
	s.t.Helper()
	before := h.failovers()
	must(s.t, s.target.SetANA(2, 1, nvme.ANANonOptimized))
	id, err := s.target.Inject(target.Fault{Port: 1, Commands: target.Reads, Delay: target.Duration(time.Hour)})
	must(s.t, err)
	h.waitPath(1, nvme.ANANonOptimized)
	defer func() {
		if s.t.Failed() {
			s.t.Logf("%s: of %d reads the target has had %d on the first path, %d are on it, failovers %v since %v",
				h, n, s.hits(id), h.inFlight(), h.failovers(), before)
		}
	}()
	stop := h.startReads(n)
	s.until("them to be in flight", func() (bool, error) { return s.hits(id) == int64(n) && h.inFlight() == n, nil })
	must(s.t, s.target.Cut(1))
	s.until("them to be counted", func() (bool, error) { return h.failovers()[0] >= before[0]+uint64(n), nil })
	must(s.t, stop())
	s.wantFailovers(h, before, n, "in flight at the cut")
	must(s.t, s.target.Clear(id))
	must(s.t, s.target.SetANA(2, 1, nvme.ANAOptimized))
}

func (s *targetScene) wantFailovers(h countingHost, before [2]uint64, n int, what string) {
	s.t.Helper()
	after := h.failovers()
	got := [2]uint64{after[0] - before[0], after[1] - before[1]}
	s.t.Logf("%s: %d reads %s, failovers %v", h, n, what, got)
	if got != [2]uint64{uint64(n), 0} {
		s.t.Errorf("%s: %d reads %s, failovers %v, want [%d 0]", h, n, what, got, n)
	}
}

// kernelHost is the kernel's host.
type kernelHost struct{ *targetScene }

func (h kernelHost) String() string { return "kernel" }

func (h kernelHost) startReads(depth int) func() error {
	h.t.Helper()
	r, err := load.StartReads(h.head.Device(), depth)
	must(h.t, err)
	return r.Stop
}

func (h kernelHost) failovers() [2]uint64 { return h.counters(nvmehost.Failovers) }

func (h kernelHost) inFlight() int {
	h.t.Helper()
	n, err := h.paths[0].Inflight()
	must(h.t, err)
	return n
}

func (h kernelHost) waitLost() {
	h.t.Helper()
	must(h.t, h.controllers[0].WaitState(h.ctx, "connecting"))
}

func (h kernelHost) waitPath(path int, state nvme.ANAState) {
	h.t.Helper()
	must(h.t, h.controllers[path].WaitState(h.ctx, "live"))
	h.waitANA(h.paths[path], string(state))
}

func (o *ours) String() string { return "ours" }

func (o *ours) startReads(depth int) func() error {
	size := int64(o.head.Blocks()) * int64(o.head.BlockSize())
	return load.StartReadsOn(headDisk{o.head, 0}, "our head", size, depth).Stop
}

func (o *ours) failovers() [2]uint64 { return o.counters(nvme.Failovers) }

func (o *ours) inFlight() int { return int(o.path(0).InFlight) }

func (o *ours) waitLost() {
	o.t.Helper()
	o.waitUsable(0, false)
}

func (o *ours) waitPath(path int, state nvme.ANAState) {
	o.t.Helper()
	o.waitANA(path, state)
	o.waitUsable(path, true)
}
