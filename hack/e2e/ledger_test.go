package e2e

import (
	"testing"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/hack/node"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/hack/rig"
	"github.com/braid-csi/braid/pkg/admin"
	"github.com/braid-csi/braid/pkg/nvme"
)

// TestLedgerNamespaceFlip has the target disable a namespace and enable it. The
// device is another one then, though its name is the same, and the kernel
// counts from 0.
func TestLedgerNamespaceFlip(t *testing.T) {
	s := newScene(t, rig.Namespace{SizeMB: 64, Delay: slow})
	v := s.volume(0, "") // raw and closed: a mounted device would not go
	s.attach(v)
	before := s.failOver(v)

	must(t, s.rig.Namespaces[0].Disable())
	s.until("the head to go", func() (bool, error) {
		h, err := nvmehost.FindHead(uuid(0))
		return h == nvmehost.Head{}, err
	})
	s.waitFinding(v, "INACCESSIBLE", "DeviceVanished")
	must(t, s.rig.Namespaces[0].Enable())
	_, err := nvmehost.WaitHead(s.ctx, uuid(0))
	must(t, err)
	if found := s.health(v); !found.Has("INACCESSIBLE", "DeviceVanished") {
		t.Errorf("%s; want DeviceVanished until the volume is staged anew", found)
	}

	s.detach(v)
	s.attach(v)
	s.waitHealthy(v)
	p := s.firstPath(v)
	kernel := s.reading(v).Ways[s.addr(0)].Counts[nvmehost.Failovers]
	got := p.Counts[nvme.Failovers]
	t.Logf("failovers: %d before, then the kernel has %d and braid-node %+v, exact %t", before, kernel, got, p.Exact)
	if kernel != 0 || got.Raw != 0 || got.Lifetime != before || p.Exact {
		t.Errorf("the kernel has %d, braid-node %+v, exact %t; want 0, lifetime %d, not exact", kernel, got, p.Exact, before)
	}
	s.unharmed(s.write(v))
	s.detach(v)
	s.ledgerLeft()
}

// TestLedgerControllerRecreated deletes a controller behind braid-node's back.
// It is connected again, and the totals outlive it.
func TestLedgerControllerRecreated(t *testing.T) {
	s := newScene(t, rig.Namespace{SizeMB: 64, Delay: slow})
	v := s.volume(0, "ext4")
	s.attach(v)
	before := s.failOver(v)
	if p := s.firstPath(v); !p.Exact && s.kernel.Counters {
		t.Errorf("%d failovers were counted by one controller, but are not exact", before)
	}

	must(t, s.reading(v).Ways[s.addr(0)].Controller.Disconnect())
	s.waitUsable(v, 2)
	var p admin.Path
	s.until("the new path to be counted", func() (bool, error) {
		p = s.firstPath(v)
		return p.Usable && !p.Exact, nil
	})
	kernel := s.reading(v).Ways[s.addr(0)].Counts[nvmehost.Failovers]
	got := p.Counts[nvme.Failovers]
	t.Logf("failovers: %d before, then the kernel has %d and braid-node %+v", before, kernel, got)
	if kernel != 0 || got.Raw != 0 || got.Lifetime != before || got.SinceReset != before {
		t.Errorf("the kernel has %d, braid-node %+v; want 0, lifetime and since-reset %d", kernel, got, before)
	}
	s.unharmed(s.write(v))
	s.detach(v)
	s.ledgerLeft()
}

// TestLedgerForeignReset has somebody else zero the kernel's counter, if it has
// one.
func TestLedgerForeignReset(t *testing.T) {
	s := newScene(t, rig.Namespace{SizeMB: 64, Delay: slow})
	v := s.volume(0, "ext4")
	s.attach(v)
	before := s.failOver(v)
	zero := s.reading(v).Ways[s.addr(0)].Path.SetCounter
	if !s.kernel.Counters {
		if err := zero(nvmehost.Failovers, 0); err == nil {
			t.Errorf("a counter was set that Linux %s does not have", s.kernel.Release)
		}
		s.detach(v)
		s.nothingLeft()
		return
	}

	must(t, zero(nvmehost.Failovers, 0))
	var p admin.Path
	s.until("braid-node to notice", func() (bool, error) {
		p = s.firstPath(v)
		return p.Counts[nvme.Failovers].Raw == 0, nil
	})
	if got := p.Counts[nvme.Failovers]; got.SinceReset != before || got.Lifetime != before || p.Exact {
		t.Errorf("after a foreign reset: %+v, exact %t; want %d in both, not exact", got, p.Exact, before)
	}

	w := s.write(v)
	s.cutBusy(v)
	s.waitUsable(v, 1)
	s.goesOn(w)
	must(t, s.rig.Repair(0))
	s.waitUsable(v, 2)
	s.unharmed(w)
	more := s.reading(v).Ways[s.addr(0)].Counts[nvmehost.Failovers]
	s.until("the second cut to be counted", func() (bool, error) {
		p = s.firstPath(v)
		return p.Counts[nvme.Failovers].Raw == more, nil
	})
	t.Logf("failovers: %d, a foreign reset, %d more; braid-node has %+v", before, more, p.Counts[nvme.Failovers])
	if got := p.Counts[nvme.Failovers]; more < check.LeastFailovers || got.SinceReset != before+more || got.Lifetime != before+more {
		t.Errorf("braid-node has %+v; want %d+%d", got, before, more)
	}
	s.detach(v)
	s.ledgerLeft()
}

// firstPath is what braid-node says of the first path.
func (s *scene) firstPath(v node.Volume) admin.Path {
	s.t.Helper()
	report, err := s.node.Paths(s.ctx, v)
	must(s.t, err)
	p, err := check.PathOf(report, s.addr(0))
	must(s.t, err)
	return p
}
