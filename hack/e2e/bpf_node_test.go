package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/hack/guest"
	"github.com/braid-csi/braid/hack/node"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/hack/rig"
	"github.com/braid-csi/braid/pkg/multipath/native/bpf"
	"github.com/braid-csi/braid/pkg/nvme"
)

// newBPFScene is newScene with a braid-node that counts by BPF, and witnesses
// beside it.
func newBPFScene(t *testing.T, namespaces ...rig.Namespace) (*scene, *witnesses) {
	t.Helper()
	w := newWitnesses(t)
	return newSceneWith(t, node.Config{ClearAfter: clearAfter, BPF: true}, namespaces...), w
}

// pathsOf are the volume's paths as they are now.
func (s *scene) pathsOf(v node.Volume) []nvmehost.Path {
	s.t.Helper()
	ways := s.reading(v).Ways
	return []nvmehost.Path{ways[s.addr(0)].Path, ways[s.addr(1)].Path}
}

// sourceOn is where braid-node has counts from on a kernel.
func sourceOn(kernel nvmehost.Features) nvme.CounterSource {
	if kernel.Counters {
		return nvme.SourceBoth
	}
	return nvme.SourceBPF
}

// reports waits until braid-node says of both paths that so many requests
// failed over since the last reset, exactly, and where it has that from.
func (s *scene) reports(v node.Volume, want ...uint64) {
	s.t.Helper()
	s.until(fmt.Sprintf("braid-node to report %v", want), func() (bool, error) {
		report, err := s.node.Paths(s.ctx, v)
		if err != nil {
			return false, err
		}
		agree, said, err := check.Failovers(report, sourceOn(s.kernel), s.rig.Addrs(), want)
		if agree {
			s.t.Logf("braid-node reports %s", said)
		}
		return agree, err
	})
}

// witnessCut cuts and repairs the first path, and returns what the witnesses
// counted of both paths, ever.
func (s *scene) witnessCut(v node.Volume, w *witnesses) []uint64 {
	s.t.Helper()
	s.cutAndRepair(v)
	got, err := w.failovers(s.pathsOf(v)...)
	must(s.t, err)
	return got
}

// TestBPFPortCut cuts one of two ports with I/O in flight: on every kernel
// braid-node knows how many requests failed over, from that path and not from
// the other.
func TestBPFPortCut(t *testing.T) {
	s, w := newBPFScene(t, rig.Namespace{SizeMB: 64, Delay: slow})
	v := s.volume(0, "")
	s.attach(v)
	s.reports(v, 0, 0)
	got := s.witnessCut(v, w)
	if got[0] < check.LeastFailovers || got[1] != 0 {
		t.Errorf("failovers %v, want at least %d from the path that was cut and none from the other", got, check.LeastFailovers)
	}
	s.reports(v, got...)
	s.detach(v)
	s.nothingLeft()
}

// TestBPFReset resets the counters where nothing can be written: the baseline
// is Braid's own, the totals stay, and the record is the same as elsewhere.
func TestBPFReset(t *testing.T) {
	s, w := newBPFScene(t, rig.Namespace{SizeMB: 64, Delay: slow})
	v := s.volume(0, "")
	s.attach(v)
	before := s.witnessCut(v, w)
	s.reports(v, before...)
	reset, err := s.node.Reset(s.ctx, v.ID, "cable replaced")
	must(t, err)
	s.reports(v, 0, 0)
	report, err := s.node.Paths(s.ctx, v)
	must(t, err)
	p, err := check.PathOf(report, s.addr(0))
	must(t, err)
	if got := p.Counts[nvme.Failovers].Lifetime; got != before[0] {
		t.Errorf("a reset left a lifetime total of %d, want %d", got, before[0])
	}
	if got := reset.Before[p.Address.String()][nvme.Failovers].SinceReset; got != before[0] || reset.Reason != "cable replaced" {
		t.Errorf("on record: %d failovers before, because %q; want %d, %q", got, reset.Reason, before[0], "cable replaced")
	}
	if s.kernel.Counters {
		if err := check.Zeroed(s.reading(v)); err != nil {
			t.Errorf("after the reset: %v", err)
		}
	}

	// On a new kernel the attribute is behind from here on; the witnesses of the
	// program are not.
	w.kernel.Counters = false
	after := s.witnessCut(v, w)
	s.reports(v, after[0]-before[0], after[1]-before[1])
	s.detach(v)
	s.nothingLeft()
}

// TestBPFPathDeleted deletes a controller right after its port was cut with I/O
// in flight: what failed over is counted, though nobody had looked before the
// path was gone, and its attribute with it.
func TestBPFPathDeleted(t *testing.T) {
	s, w := newBPFScene(t, rig.Namespace{SizeMB: 64, Delay: slow})
	v := s.volume(0, "")
	s.attach(v)
	writer := s.write(v)
	old := s.pathsOf(v)[0]
	seq, err := old.DiskSeq()
	must(t, err)
	s.cutBusy(v)
	must(t, old.Controller.Disconnect())
	s.goesOn(writer)
	must(t, s.rig.Repair(0))
	s.waitUsable(v, 2) // braid-node has connected it anew
	s.unharmed(writer)
	paths := s.pathsOf(v)
	if again, err := paths[0].DiskSeq(); err != nil || again == seq {
		t.Errorf("the path has still the disk %d (%v): nothing was deleted", again, err)
	}
	all, err := w.bpf[0].Counts()
	must(t, err)
	now, err := w.failovers(paths...)
	must(t, err)
	if all[seq] < check.LeastFailovers {
		t.Errorf("%d failovers from the path that was deleted, want at least %d", all[seq], check.LeastFailovers)
	}
	t.Logf("failovers: %d from the path that was deleted, %v from those there are now", all[seq], now)
	s.reports(v, all[seq]+now[0], now[1])
	s.detach(v)
	s.nothingLeft()
}

// TestBPFControllerReset resets one of two controllers again and again, and
// cuts the other's port: exactly as many resets are counted as began.
func TestBPFControllerReset(t *testing.T) {
	s, w := newBPFScene(t, rig.Namespace{SizeMB: 64, Delay: slow})
	var witness *bpf.Resets
	must(t, guest.Alone(func() (err error) {
		witness, err = bpf.AttachResets()
		return err
	}))
	cleanup(t, func() error { return guest.Alone(witness.Close) })
	v := s.volume(0, "")
	s.attach(v)
	writer := s.write(v)
	want := []uint64{1 + rand.Uint64N(4), 1}
	first := s.reading(v).Ways[s.addr(0)].Controller
	for range want[0] {
		must(t, first.Reset())
		s.waitUsable(v, 2)
		s.goesOn(writer)
	}
	must(t, s.rig.Cut(1))
	s.waitUsable(v, 1)
	must(t, s.rig.Repair(1))
	s.waitUsable(v, 2)
	s.unharmed(writer)
	failovers, err := w.failovers(s.pathsOf(v)...)
	must(t, err)
	t.Logf("%v resets, %v failovers", want, failovers)
	s.reports(v, failovers...)

	counts, err := witness.Counts()
	must(t, err)
	report, err := s.node.Paths(s.ctx, v)
	must(t, err)
	for i, n := range want {
		way := s.reading(v).Ways[s.addr(i)]
		var dir unix.Stat_t
		must(t, unix.Stat(way.Controller.Dir(), &dir))
		p, err := check.PathOf(report, s.addr(i))
		must(t, err)
		if got := p.ControllerCounts[nvme.Resets].Lifetime; got != n || counts[dir.Ino] != n {
			t.Errorf("%s: %d resets says braid-node, %d the program, want %d", way.Controller, got, counts[dir.Ino], n)
		}
		if kernel := way.ControllerCounts[nvmehost.Resets]; s.kernel.Counters && kernel != n {
			t.Errorf("%s: %d resets says sysfs, want %d", way.Controller, kernel, n)
		}
	}
	s.detach(v)
	s.nothingLeft()
}

// TestBPFEvents has a braid-node that looks by itself once a minute: the
// failovers of a cut wake it, and it sees the lost path too.
func TestBPFEvents(t *testing.T) {
	s := newSceneWith(t, node.Config{ClearAfter: clearAfter, BPF: true, PollInterval: time.Minute}, rig.Namespace{SizeMB: 64, Delay: slow})
	v := s.volume(0, "")
	s.attach(v)
	w := s.write(v)
	s.cutBusy(v)
	s.soon("the lost path was noticed", func() { s.waitUsable(v, 1) })
	must(t, s.rig.Repair(0))
	s.waitUsable(v, 2)
	s.unharmed(w)
	s.detach(v)
	s.nothingLeft()
}

// TestBPFRestart kills braid-node, and the program with it, and cuts a path
// while they are away. Where the kernel counts too nothing is lost; elsewhere it
// is, and braid-node says so.
func TestBPFRestart(t *testing.T) {
	s, w := newBPFScene(t, rig.Namespace{SizeMB: 64, Delay: slow})
	v := s.volume(0, "")
	s.attach(v)
	before := s.witnessCut(v, w)
	s.reports(v, before...)
	must(t, s.node.Kill())
	writer := s.write(v)
	s.cutBusy(v)
	s.goesOn(writer)
	must(t, s.node.Start(s.ctx))
	must(t, s.rig.Repair(0))
	s.waitUsable(v, 2)
	s.unharmed(writer)
	after, err := w.failovers(s.pathsOf(v)...)
	must(t, err)
	if after[0] < before[0]+check.LeastFailovers {
		t.Errorf("failovers %v, and %v before braid-node was away: there were none meanwhile", after, before)
	}
	if s.kernel.Counters {
		s.reports(v, after...)
	} else {
		s.reports(v, before...)
	}
	report, err := s.node.Paths(s.ctx, v)
	must(t, err)
	p, err := check.PathOf(report, s.addr(0))
	must(t, err)
	if p.Exact != s.kernel.Counters {
		t.Errorf("exact: %t, with %d of %d failovers counted", p.Exact, p.Counts[nvme.Failovers].SinceReset, after[0])
	}
	s.detach(v)
	s.nothingLeft()
}

// TestBPFNotPermitted: where the kernel does not let it, or says nothing of its
// types, the reason is said once, and nothing else is different.
func TestBPFNotPermitted(t *testing.T) {
	if f, err := attachWithoutPrivileges(t); err == nil || !errors.Is(err, bpf.ErrUnsupported) || !strings.Contains(err.Error(), "not permitted") {
		t.Errorf("attached %v, %v; want it to be unsupported, because not permitted", f, err)
	}

	cfg := node.Config{ClearAfter: clearAfter, BPF: true, Zeroed: []string{"/sys/kernel/btf/vmlinux"}}
	s := newSceneWith(t, cfg, rig.Namespace{SizeMB: 64, Delay: slow})
	v := s.volume(0, "")
	s.attach(v)
	view := s.settled(v) // as without BPF
	for _, p := range view.Report.Paths {
		if said := strings.Contains(p.CounterSourceReason, "BTF"); said == s.kernel.Counters {
			t.Errorf("%s: counts come from %s, because %q", p.Address, p.CounterSource, p.CounterSourceReason)
		}
	}
	log, err := os.ReadFile(s.node.LogFile())
	must(t, err)
	if n := strings.Count(string(log), "Failovers are counted where the kernel does it"); n != 1 {
		t.Errorf("the log says %d times that BPF is not possible, want once", n)
	}
	s.detach(v)
	s.nothingLeft()
}

// attachWithoutPrivileges attaches from a thread that has none, and that ends
// with it.
func attachWithoutPrivileges(t *testing.T) (f *bpf.Failovers, err error) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never back: the thread is spoilt
		none := slices.Repeat([]unix.CapUserData{{}}, 2)
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		err := unix.Capset(&header, &none[0])
		if err == nil {
			f, err = bpf.Attach()
		}
		done <- err
	}()
	err = <-done
	return f, err
}
