package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/hack/load"
	"github.com/braid-csi/braid/hack/node"
	"github.com/braid-csi/braid/hack/poll"
)

// volume returns a volume on a namespace with both addresses. An empty fsType
// is a raw block volume.
func (s *scene) volume(namespace int, fsType string) node.Volume {
	s.t.Helper()
	id := fmt.Sprintf("volume-%d", len(s.volumes)+1)
	v, err := node.NewVolume(s.dir, id, fsType, s.rig.Subsystem.NQN, uuid(namespace), s.rig.Addrs()...)
	must(s.t, err)
	s.volumes = append(s.volumes, v)
	return v
}

// attach stages and publishes a volume and waits for both of its paths.
func (s *scene) attach(v node.Volume) {
	s.t.Helper()
	must(s.t, s.node.Stage(s.ctx, v))
	must(s.t, s.node.Publish(s.ctx, v))
	s.waitUsable(v, 2)
}

// detach undoes it.
func (s *scene) detach(v node.Volume) {
	s.t.Helper()
	must(s.t, s.node.Unpublish(s.ctx, v))
	must(s.t, s.node.Unstage(s.ctx, v))
}

// nothingLeft ends a scenario: all volumes are detached, and nothing of them
// is left but the ledger.
func (s *scene) nothingLeft() {
	s.t.Helper()
	if err := s.left(); err != nil {
		s.t.Errorf("after everything was unstaged: %v", err)
	}
}

// left tells what is left of the volumes.
func (s *scene) left() error { return check.NothingLeft(s.dir, s.stateDir, s.volumes...) }

// ledgerLeft is nothingLeft for a scenario in which something was counted, if
// the kernel counts.
func (s *scene) ledgerLeft() {
	s.t.Helper()
	s.nothingLeft()
	if !s.kernel.Counters {
		return
	}
	_, err := check.Ledger(s.stateDir)
	must(s.t, err)
}

// write starts a writer on a volume and waits until it is well under way.
func (s *scene) write(v node.Volume) *load.Writer {
	s.t.Helper()
	path := v.Target
	if v.FSType != "" {
		path = filepath.Join(v.Target, "data")
	}
	w, err := load.StartWriter(path, load.DefaultDepth)
	must(s.t, err)
	s.writers = append(s.writers, w)
	s.goesOn(w)
	return w
}

// goesOn wants the writer to verify twice as much as it has in flight.
func (s *scene) goesOn(w *load.Writer) {
	s.t.Helper()
	from := w.Stats().Verified
	s.until("the writer to go on", func() (bool, error) {
		return w.Stats().Verified >= from+2*load.DefaultDepth, w.Err()
	})
}

// unharmed ends a writer: no error, and everything as it was written.
func (s *scene) unharmed(w *load.Writer) load.Stats {
	s.t.Helper()
	stats, err := w.Stop()
	if err != nil {
		s.t.Errorf("the writer was harmed: %v", err)
	}
	s.t.Logf("writer: %d blocks written, %d verified, %d mismatches, longest stall %.2f s",
		stats.Written, stats.Verified, stats.Mismatches, stats.Stall.Length().Seconds())
	if stats.Verified <= stats.Written {
		s.t.Errorf("%d blocks verified, fewer than the %d written and all places at the end", stats.Verified, stats.Written)
	}
	return stats
}

// until waits for something, not for ever.
func (s *scene) until(what string, done func() (bool, error)) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	must(s.t, poll.Until(ctx, what, done))
}

// soon waits for what braid-node must know soon, and wants it to.
func (s *scene) soon(what string, wait func()) time.Duration {
	s.t.Helper()
	return s.inTime(noticed, what, wait)
}

// inTime waits, and wants that to take so long at most. The machine itself may
// stand still meanwhile, which is nobody's fault.
func (s *scene) inTime(limit time.Duration, what string, wait func()) time.Duration {
	s.t.Helper()
	pulse := poll.TakePulse(s.ctx, pulseEvery, func(context.Context) bool { return true })
	defer pulse.Stop()
	began := time.Now()
	wait()
	took := time.Since(began)
	if still := pulse.Longest(); took > limit+still {
		s.t.Errorf("%s after %s, want at most %s and the %s the machine stood still for", what, took, limit, still)
	}
	return took
}

// waitUsable waits until braid-node says that so many paths are usable.
func (s *scene) waitUsable(v node.Volume, want int) {
	s.t.Helper()
	s.until(fmt.Sprintf("%d usable paths", want), func() (bool, error) {
		report, err := s.node.Paths(s.ctx, v)
		return report.Usable == want, err
	})
}

// cutBusy cuts the first path as soon as it has I/O in flight.
func (s *scene) cutBusy(v node.Volume) {
	s.t.Helper()
	p := s.reading(v).Ways[s.addr(0)].Path
	s.until(fmt.Sprintf("%d commands in flight on %s", busy, p), func() (bool, error) {
		n, err := p.Inflight()
		return n >= busy, err
	})
	must(s.t, s.rig.Cut(0))
}

// cutAndRepair cuts the first path under I/O, which goes on, and repairs it.
func (s *scene) cutAndRepair(v node.Volume) {
	s.t.Helper()
	w := s.write(v)
	s.cutBusy(v)
	s.waitUsable(v, 1)
	s.goesOn(w)
	must(s.t, s.rig.Repair(0))
	s.waitUsable(v, 2)
	s.unharmed(w)
}

// failOver cuts the first path under I/O, repairs it, and returns how many
// requests failed over, on which braid-node and sysfs agree; 0 if the kernel
// does not count, on which they agree too.
func (s *scene) failOver(v node.Volume) uint64 {
	s.t.Helper()
	s.cutAndRepair(v)
	view := s.settled(v)
	n := s.failovers(view, 0)
	if n < check.LeastFailovers && s.kernel.Counters {
		s.t.Fatalf("%d failovers after a cut with %d commands in flight", n, busy)
	}
	return n
}

// failovers is how many there were on a path since the last reset; 0 if the
// kernel does not count.
func (s *scene) failovers(view check.View, path int) uint64 {
	s.t.Helper()
	n, err := view.Failovers(s.addr(path))
	must(s.t, err)
	return n
}

func (s *scene) addr(path int) netip.AddrPort { return s.rig.Addr(path) }
