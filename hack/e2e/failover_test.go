package e2e

import (
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/hack/rig"
	"github.com/braid-csi/braid/pkg/nvme"
)

// TestFailoverPortCut is what Braid is for: one of two paths is cut with I/O in
// flight, and the node knows what happened.
func TestFailoverPortCut(t *testing.T) {
	s := newScene(t, rig.Namespace{SizeMB: 64, Delay: slow})
	v := s.volume(0, "ext4")
	s.attach(v)
	w := s.write(v)
	s.settled(v)

	s.cutBusy(v)
	took := s.soon("the lost path was noticed", func() { s.waitUsable(v, 1) })
	found := s.waitFinding(v, "DEGRADED", "PathRedundancyLost")
	if len(found) != 1 {
		t.Errorf("findings: %s; want PathRedundancyLost alone", found)
	}
	s.goesOn(w)
	view := s.settled(v)
	if err := check.PortCut(view, s.addr(0), s.addr(1)); err != nil {
		t.Error(err)
	}
	t.Logf("noticed after %.2f s; failovers: %d on the cut path, %d on the other", took.Seconds(), s.failovers(view, 0), s.failovers(view, 1))

	repaired := time.Now()
	must(t, s.rig.Repair(0))
	s.waitUsable(v, 2)
	s.waitHealthy(v)
	if quiet := time.Since(repaired); quiet < clearAfter {
		t.Errorf("healthy again after %s, want at least %s of quiet", quiet, clearAfter)
	}
	s.unharmed(w)
	s.settled(v)
	s.detach(v)
	s.ledgerLeft()
}

// TestFailoverControllerReset resets one controller by hand.
func TestFailoverControllerReset(t *testing.T) {
	s := newScene(t, rig.Namespace{SizeMB: 64, Delay: slow})
	v := s.volume(0, "ext4")
	s.attach(v)
	w := s.write(v)
	must(t, s.reading(v).Ways[s.addr(0)].Controller.Reset())
	s.goesOn(w)
	s.waitUsable(v, 2)
	s.unharmed(w)
	view := s.settled(v)
	for path, want := range []uint64{1, 0} {
		if !s.kernel.Counters {
			break
		}
		p, err := view.Path(s.addr(path))
		must(t, err)
		got, kernel := p.ControllerCounts[nvme.Resets].Raw, view.Reading.Ways[s.addr(path)].ControllerCounts[nvmehost.Resets]
		t.Logf("path %d: %d resets, %d failovers", path+1, got, s.failovers(view, path))
		if got != want || kernel != want {
			t.Errorf("path %d: %d resets says braid-node, %d says sysfs; want %d", path+1, got, kernel, want)
		}
	}
	if n := s.failovers(view, 1); n != 0 {
		t.Errorf("%d failovers from the path that was left alone", n)
	}
	s.waitHealthy(v)
	s.detach(v)
	s.ledgerLeft()
}

// TestFailoverBothPaths leaves no path for a while: I/O waits, and none fails.
func TestFailoverBothPaths(t *testing.T) {
	s := newScene(t, rig.Namespace{SizeMB: 64, Delay: slow})
	v := s.volume(0, "ext4")
	s.attach(v)
	w := s.write(v)

	s.cutBusy(v)
	must(t, s.rig.Cut(1))
	cut := time.Now()
	s.waitFinding(v, "INACCESSIBLE", "NoUsablePath")
	node, err := s.node.StorageHealth(s.ctx)
	must(t, err)
	if !node.Has("STORAGE_UNREACHABLE", "NoUsablePath") {
		t.Errorf("NodeGetStorageHealth: %s; want STORAGE_UNREACHABLE NoUsablePath", node)
	}
	must(t, w.Err())
	if n := s.reading(v).HeadCounts[nvmehost.Requeues]; n == 0 && s.kernel.Counters {
		t.Error("no I/O was parked for want of a path: there was none in flight")
	}

	must(t, s.rig.Repair(0))
	repaired := time.Now()
	s.waitUsable(v, 1)
	found := s.waitFinding(v, "DEGRADED", "PathRedundancyLost")
	if found.Has("INACCESSIBLE", "NoUsablePath") {
		t.Errorf("still %s, with a path back", found)
	}
	s.goesOn(w)
	must(t, s.rig.Repair(1))
	s.waitUsable(v, 2)
	s.waitHealthy(v)
	stats := s.unharmed(w)
	if stall, outage := stats.Stall.Length(), repaired.Sub(cut); stall < outage {
		t.Errorf("the longest stall is %s, less than the outage of %s: the writer had another way", stall, outage)
	}
	s.settled(v)
	s.detach(v)
	s.ledgerLeft()
}
