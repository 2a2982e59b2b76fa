package e2e

import (
	"strings"
	"testing"

	"github.com/braid-csi/braid/hack/node"
	"github.com/braid-csi/braid/hack/rig"
)

// TestRemediationMaintenance has a target port taken away that was drained
// before: no request fails over, and nothing is found wrong, until it is back and
// proved to be.
func TestRemediationMaintenance(t *testing.T) {
	s := newScene(t, rig.Namespace{SizeMB: 64, Delay: slow})
	v := s.volume(0, "")
	s.attach(v)
	s.waitHealthy(v)
	w := s.write(v)

	list, err := s.node.Drain(s.ctx, s.addr(0), "firmware of port 1")
	must(t, err)
	if len(list) != 1 || list[0].Returning || !strings.HasPrefix(list[0].By, "root") {
		t.Errorf("maintenance: %+v", list)
	}
	s.waitUsable(v, 1)
	if ways := s.reading(v).Ways; len(ways) != 1 {
		t.Errorf("drained, the kernel has %d paths", len(ways))
	}
	if _, err := s.node.Drain(s.ctx, s.addr(1), "too much"); err == nil || !strings.Contains(err.Error(), "no other usable path") {
		t.Errorf("draining the last path: %v", err)
	}
	s.goesOn(w)
	s.well(v, "drained")
	must(t, s.rig.Cut(0))
	must(t, s.node.Kill())
	must(t, s.node.Start(s.ctx)) // it goes on with the maintenance
	s.goesOn(w)
	s.well(v, "port gone, braid-node started anew")
	must(t, s.rig.Repair(0))
	s.goesOn(w)
	s.waitUsable(v, 1) // what was drained waits to be asked back

	must(t, s.node.Undrain(s.ctx, s.addr(0)))
	s.waitUsable(v, 2)
	s.goesOn(w)
	s.well(v, "returned")
	view := s.settled(v)
	for path := range 2 {
		if n := s.failovers(view, path); n != 0 {
			t.Errorf("%d failovers from path %d", n, path+1)
		}
	}
	s.unharmed(w)
	s.detach(v)
	s.ledgerLeft()
}

// well wants nothing to be found wrong with a volume.
func (s *scene) well(v node.Volume, when string) {
	s.t.Helper()
	s.until("health to be known", func() (bool, error) {
		found, known, err := s.judged(v)
		if len(found) > 0 {
			s.t.Errorf("%s: %s", when, found)
		}
		return known, err
	})
}
