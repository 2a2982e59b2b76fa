package e2e

import (
	"testing"

	"github.com/braid-csi/braid/hack/node"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/hack/nvmet"
	"github.com/braid-csi/braid/hack/rig"
	"github.com/braid-csi/braid/pkg/nvme"
)

// TestFailoverANA has the target say that a path must not be used, or should
// rather not be, while its connection is fine.
func TestFailoverANA(t *testing.T) {
	s := newScene(t, rig.Namespace{SizeMB: 64, Delay: quick})
	v := s.volume(0, "")
	s.attach(v)
	w := s.write(v)

	for _, state := range []nvmet.ANAState{nvmet.Inaccessible, nvmet.Change} {
		s.setANA(v, 0, state)
		s.waitUsable(v, 1)
		s.goesOn(w)
		view := s.settled(v)
		p, err := view.Path(s.addr(0))
		must(t, err)
		if p.State != nvme.StateLive || p.Usable {
			t.Errorf("%s: the path is %s %s, usable %t; want live and not usable", state, p.State, p.ANAState, p.Usable)
		}
		s.waitFinding(v, "DEGRADED", "PathRedundancyLost")
		// How many are on their way when the state changes is luck: equality
		// with the kernel is what matters, and settled wants it.
		t.Logf("%s: %d failovers, %d on the other path", state, s.failovers(view, 0), s.failovers(view, 1))
		if n := s.failovers(view, 1); n != 0 {
			t.Errorf("%s: %d failovers from the path that is optimized", state, n)
		}
		s.setANA(v, 0, nvmet.Optimized)
		s.waitUsable(v, 2)
		s.waitHealthy(v)
	}

	s.setANA(v, 0, nvmet.NonOptimized)
	s.goesOn(w)
	if found := s.health(v); len(found) > 0 {
		t.Errorf("%s, though an optimized path is left", found)
	}
	s.setANA(v, 1, nvmet.NonOptimized)
	found := s.waitFinding(v, "DEGRADED", "NoOptimizedPath")
	if len(found) != 1 {
		t.Errorf("findings: %s; want NoOptimizedPath alone", found)
	}
	s.goesOn(w)
	for path := range 2 {
		s.setANA(v, path, nvmet.Optimized)
	}
	s.waitHealthy(v)
	s.unharmed(w)
	s.settled(v)
	s.detach(v)
	s.ledgerLeft()
}

// TestFailoverANAError makes the first path inaccessible again and again, until
// a command has met it so and was failed over: mostly the news is faster. Where
// nobody counts that, often enough has to do.
func TestFailoverANAError(t *testing.T) {
	s := newScene(t, rig.Namespace{SizeMB: 64, Delay: quick})
	v := s.volume(0, "")
	s.attach(v)
	w := s.write(v)
	p := s.reading(v).Ways[s.addr(0)].Path
	const oftenEnough = 4
	flips := 0
	s.until("a command to fail over for an ANA error", func() (bool, error) {
		s.setANA(v, 0, nvmet.Inaccessible)
		s.setANA(v, 0, nvmet.Optimized)
		flips++
		if !s.kernel.Counters {
			return flips == oftenEnough, nil
		}
		n, err := p.Counter(nvmehost.Failovers)
		return n > 0, err
	})
	s.waitUsable(v, 2)
	s.unharmed(w)
	view := s.settled(v)
	t.Logf("failovers for ANA errors: %d, %d on the other path", s.failovers(view, 0), s.failovers(view, 1))
	if s.failovers(view, 0) == 0 && s.kernel.Counters || s.failovers(view, 1) != 0 {
		t.Error("want some, and none on the other path")
	}
	s.detach(v)
	s.ledgerLeft()
}

// setANA sets a path's ANA state at the target and waits until both the kernel
// and braid-node have it.
func (s *scene) setANA(v node.Volume, path int, state nvmet.ANAState) {
	s.t.Helper()
	must(s.t, s.rig.Ports[path].SetANAState(1, state))
	p := s.reading(v).Ways[s.addr(path)].Path
	s.until(p.String()+" to be "+string(state), func() (bool, error) {
		have, err := p.ANAState()
		return have == string(state), err
	})
	s.until("braid-node to see it", func() (bool, error) {
		report, err := s.node.Paths(s.ctx, v)
		return err == nil && report.Paths[path].ANAState == nvme.ANAState(state), err
	})
}
