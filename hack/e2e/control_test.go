package e2e

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/hack/node"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/hack/rig"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

// TestNegativeControls proves that the checks of the other scenarios can fail:
// each is run where it must.
func TestNegativeControls(t *testing.T) {
	s := newScene(t, rig.Namespace{SizeMB: 64, Delay: slow})
	v := s.volume(0, "")
	s.attach(v)

	// No path is cut.
	w := s.write(v)
	reasons := []string{"usable true, want false"}
	if s.kernel.Counters {
		reasons = append(reasons, "0 failovers from "+s.addr(0).String())
	}
	s.mustFail("PortCut without a cut", check.PortCut(s.settled(v), s.addr(0), s.addr(1)), reasons...)
	s.mustFail("NothingLeft with a volume attached", check.NothingLeft(s.dir, s.stateDir, v),
		"controllers are left", "mount is left", "is still there", "volumes is not empty", "registry is not empty")
	s.unharmed(w)

	// The writer's blocks are changed behind everybody's back.
	w = s.write(v)
	spoil(t, s.rig.Device(0))
	stats, err := w.Stop()
	s.mustFail("the writer over a device that was changed", err, "not as written")
	if stats.Mismatches == 0 {
		t.Error("the writer counted no mismatch")
	}

	if s.kernel.Counters {
		s.controlZeroed(v)
	} else {
		s.controlUncounted(v)
	}
	s.detach(v)
	s.nothingLeft()
}

// controlZeroed has braid-node, and nobody else, read 0 from the counters.
func (s *scene) controlZeroed(v node.Volume) {
	s.t.Helper()
	t := s.t
	must(t, s.node.Kill())
	for _, way := range s.reading(v).Ways {
		s.node.Zeroed = append(s.node.Zeroed, way.Path.CounterFile(nvmehost.Failovers))
	}
	must(t, s.node.Start(s.ctx))
	s.waitUsable(v, 2)
	w := s.write(v)
	s.cutBusy(v)
	s.waitUsable(v, 1)
	s.goesOn(w)
	var view check.View
	s.until("both accounts", func() (bool, error) {
		var err error
		view, err = check.Look(s.ctx, s.node, v)
		return err == nil, nil
	})
	s.mustFail("PortCut with a counter that is always 0", check.PortCut(view, s.addr(0), s.addr(1)),
		"failovers: braid-node has 0", "0 failovers from "+s.addr(0).String())
	if n := view.KernelFailovers(s.addr(0)); n < check.LeastFailovers {
		t.Errorf("the kernel has %d failovers: this control proves nothing", n)
	}
	must(t, s.rig.Repair(0))
	s.waitUsable(v, 2)
	s.unharmed(w)
}

// controlUncounted has a braid-node say 0 where the kernel does not count.
func (s *scene) controlUncounted(v node.Volume) {
	s.t.Helper()
	view := s.settled(v)
	p := &view.Report.Paths[0]
	p.Counts = ledger.Tallies{nvme.Failovers: {}}
	s.mustFail("Counts with a zero that nobody counted", check.Counts(view), "the kernel does not count")
	p.Counts, p.CounterSource = nil, nvme.SourceKernelAttribute
	s.mustFail("Counts from a source that is not there", check.Counts(view), "from KernelAttribute")
}

// mustFail wants a check to have failed, and for these reasons.
func (s *scene) mustFail(what string, err error, reasons ...string) {
	s.t.Helper()
	if err == nil {
		s.t.Errorf("%s: passed", what)
		return
	}
	s.t.Logf("%s failed, as it must: %s", what, strings.ReplaceAll(err.Error(), "\n", "; "))
	for _, r := range reasons {
		if !strings.Contains(err.Error(), r) {
			s.t.Errorf("%s: no word of %q: %v", what, r, err)
		}
	}
}

// spoil overwrites the beginning of a device.
func spoil(t *testing.T, device string) {
	t.Helper()
	f, err := os.OpenFile(device, os.O_WRONLY|unix.O_SYNC, 0)
	must(t, err)
	defer f.Close()
	_, err = f.Write(make([]byte, 2*mib))
	must(t, err)
}

// TestCounterSource wants braid-node to say where its counts come from. A
// kernel that does not count is no reason to say 0.
func TestCounterSource(t *testing.T) {
	s := newScene(t, rig.Namespace{SizeMB: 64})
	v := s.volume(0, "")
	s.attach(v)
	counts := s.kernel.Counters
	report, err := s.node.Paths(s.ctx, v)
	must(t, err)
	for _, p := range report.Paths {
		_, counted := p.Counts[nvme.Failovers]
		want := nvme.SourceUnsupported
		if counts {
			want = nvme.SourceKernelAttribute
		}
		t.Logf("%s: %s", p.Address, p.CounterSource)
		if p.CounterSource != want || counted != counts {
			t.Errorf("%s: source %s, counted %t; the kernel counts: %t", p.Address, p.CounterSource, counted, counts)
		}
	}
	s.detach(v)
	s.nothingLeft()
}
