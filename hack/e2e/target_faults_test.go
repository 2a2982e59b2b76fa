package e2e

import (
	"bytes"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/load"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/target"
)

// TestUserspaceTargetStatus has the target answer a random number of commands
// with a path error: the kernel counts exactly as many failovers, on that path.
func TestUserspaceTargetStatus(t *testing.T) {
	s := newTargetScene(t, nil)
	s.connect(nvmehost.ConnectOptions{})
	reads, err := load.StartReads(s.head.Device(), 16)
	must(t, err)
	var want uint64
	for _, status := range []nvme.Status{nvme.StatusANAInaccessible, nvme.StatusControllerPathError, nvme.StatusANATransition | nvme.More} {
		n := 1 + rand.Int64N(100)
		id, err := s.target.Inject(target.Fault{Port: 1, Commands: target.Reads, Count: n, Status: status})
		must(t, err)
		s.until(status.String(), func() (bool, error) { return s.hits(id) == n, nil })
		want += uint64(n)
		s.until("the failovers to be counted", func() (bool, error) {
			got := s.counters(nvmehost.Failovers)
			return got[0] >= want, nil
		})
		t.Logf("%d reads answered %s: failovers %v", n, status, s.counters(nvmehost.Failovers))
	}
	must(t, reads.Stop())
	if got := s.counters(nvmehost.Failovers); got != [2]uint64{want, 0} {
		t.Errorf("failovers %v, want [%d 0]", got, want)
	}
	for _, p := range s.paths {
		s.waitANA(p, "optimized")
	}
}

func (s *targetScene) hits(id target.FaultID) int64 {
	for _, f := range s.target.Faults() {
		if f.ID == id {
			return f.Hits
		}
	}
	return 0
}

// TestUserspaceTargetANA moves I/O with ANA states, without an error.
func TestUserspaceTargetANA(t *testing.T) {
	s := newTargetScene(t, nil)
	s.connect(nvmehost.ConnectOptions{})
	w := s.write()
	for _, state := range []nvme.ANAState{nvme.ANAInaccessible, nvme.ANAOptimized, nvme.ANANonOptimized, nvme.ANAPersistentLoss, nvme.ANAChange, nvme.ANAOptimized} {
		must(t, s.target.SetANA(1, 1, state))
		s.waitANA(s.paths[0], string(state))
		s.goesOn(w)
		if state == nvme.ANAOptimized {
			continue
		}
		idle := s.firstReads()
		s.goesOn(w)
		if got := s.firstReads(); got != idle {
			t.Errorf("%s: %d reads went down the path", state, got-idle)
		}
	}
	s.unharmed(w)
	if got := s.counters(nvmehost.Failovers); got[1] != 0 {
		t.Errorf("failovers %v, want none from the second path", got)
	}
	for i, c := range s.controllers {
		if n, err := c.Counter(nvmehost.Resets); err != nil || n != 0 {
			t.Errorf("controller %d: %d resets, %v", i+1, n, err)
		}
	}
}

// firstReads is how many reads the first path has completed.
func (s *targetScene) firstReads() uint64 {
	s.t.Helper()
	return s.stat(0, 0)
}

// TestUserspaceTargetCut cuts a port with I/O in flight: it fails over, and the
// kernel comes back once the port is repaired.
func TestUserspaceTargetCut(t *testing.T) {
	s := newTargetScene(t, nil)
	s.connect(nvmehost.ConnectOptions{})
	_, err := s.target.Inject(target.Fault{Delay: target.Duration(50 * time.Millisecond)})
	must(t, err)
	w := s.write()
	s.until("I/O in flight", func() (bool, error) {
		n, err := s.paths[0].Inflight()
		return n >= busy, err
	})
	must(t, s.target.Cut(1))
	must(t, s.controllers[0].WaitState(s.ctx, "connecting"))
	s.goesOn(w)
	if got := s.counters(nvmehost.Failovers); got[0] == 0 || got[1] != 0 {
		t.Errorf("failovers %v, want some from the first path and none from the second", got)
	}
	must(t, s.target.Repair(1))
	must(t, s.controllers[0].WaitState(s.ctx, "live"))
	before := s.firstReads()
	s.until("the path to be used again", func() (bool, error) { return s.firstReads() > before, w.Err() })
	s.unharmed(w)
	t.Logf("failovers %v", s.counters(nvmehost.Failovers))
}

// TestUserspaceTargetBlackHole silences a port: the kernel notices by its keep
// alive, and comes back when the silence ends.
func TestUserspaceTargetBlackHole(t *testing.T) {
	s := newTargetScene(t, nil)
	s.connect(nvmehost.ConnectOptions{KeepAlive: 2 * time.Second})
	w := s.write()
	must(t, s.target.BlackHole(1, target.AllQueues))
	s.until("the first controller to be given up", func() (bool, error) {
		state, err := s.controllers[0].State()
		return state != "live", err
	})
	s.goesOn(w)
	must(t, s.target.Restore(1, target.AllQueues))
	must(t, s.controllers[0].WaitState(s.ctx, "live"))
	s.goesOn(w)
	s.unharmed(w)
}

// TestUserspaceTargetLateWrite shows that the injector of late writes works: the
// kernel's host, which fences nothing, reads a stale block.
func TestUserspaceTargetLateWrite(t *testing.T) {
	s := newTargetScene(t, nil)
	s.connect(nvmehost.ConnectOptions{})
	after := target.Duration(300 * time.Millisecond)
	id, err := s.target.Inject(target.Fault{Port: 1, Commands: target.Writes, Count: 1, Hold: &after})
	must(t, err)
	disk := s.open()
	first, second, got := block(t, 'a'), block(t, 'b'), block(t, 0)
	written := make(chan error, 1)
	go func() {
		for s.hits(id) == 0 { // round robin: the other path may be first
			if _, err := disk.WriteAt(first, 0); err != nil {
				written <- err
				return
			}
		}
		written <- nil
	}()
	s.until("a write to be held", func() (bool, error) { return s.hits(id) == 1, nil })
	must(t, s.target.Drop(1, target.AllQueues))
	must(t, <-written)
	_, err = disk.WriteAt(second, 0)
	must(t, err)
	_, err = disk.ReadAt(got, 0)
	must(t, err)
	if !bytes.Equal(got, second) {
		t.Errorf("read %q at once, want %q", got[0], second[0])
	}
	s.until("the held write to be applied", func() (bool, error) {
		_, applied := s.target.LateWrites()
		return applied == 1, nil
	})
	_, err = disk.ReadAt(got, 0)
	must(t, err)
	if !bytes.Equal(got, first) {
		t.Errorf("read %q after the late write, want the stale %q", got[0], first[0])
	}
	must(t, s.controllers[0].WaitState(s.ctx, "live"))
}

// TestUserspaceTargetRefused has a reconnect refused with DNR: the kernel gives
// the controller up.
func TestUserspaceTargetRefused(t *testing.T) {
	s := newTargetScene(t, nil)
	s.connect(nvmehost.ConnectOptions{})
	w := s.write()
	_, err := s.target.Inject(target.Fault{Port: 1, Commands: target.Connects, Status: nvme.StatusConnectInvalidParameters | nvme.DNR})
	must(t, err)
	must(t, s.target.Drop(1, target.AllQueues))
	must(t, s.controllers[0].WaitState(s.ctx, "gone"))
	s.goesOn(w)
	s.unharmed(w)
}

// open opens the head past all caches.
func (s *targetScene) open() *os.File {
	s.t.Helper()
	f, err := os.OpenFile(s.head.Device(), os.O_RDWR|direct, 0)
	must(s.t, err)
	cleanup(s.t, f.Close)
	return f
}
