package kubernetes

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/hack/lab"
	"github.com/braid-csi/braid/hack/load"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/hack/poll"
	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// busy is how many commands a path must carry when it is cut.
const busy = 12

// start has a pod with the volume run and write, over both paths.
func (s *scene) start() v1alpha1.NVMePathSet {
	s.t.Helper()
	must(s.t, s.lab.Apply(s.ctx, s.volume.Manifest()))
	must(s.t, s.lab.Apply(s.ctx, lab.Pod{Name: s.pod, Volume: s.volume}.Manifest()))
	must(s.t, s.lab.WaitPodReady(s.ctx, s.pod, patience))
	var err error
	s.writer, err = s.lab.Writer(s.ctx, s.pod)
	must(s.t, err)
	s.goesOn()
	set := s.waitSet("both paths to be usable", lab.Healthy)
	s.keep("before")
	return set
}

// end has the writer verify all it wrote, and pod and volume go without a
// trace.
func (s *scene) end() {
	s.t.Helper()
	s.keep("after")
	s.unharmed()
	_, err := s.lab.Run(s.ctx, "kubectl", "delete", "pod/"+s.pod, "pvc/"+s.volume.Name, "pv/"+s.volume.Name)
	must(s.t, err)
	s.nothingLeft()
	must(s.t, s.rig.Close())
}

// nothingLeft wants no trace of the volume, in the API and on the node.
func (s *scene) nothingLeft() {
	s.t.Helper()
	ctx, cancel := s.waiting()
	defer cancel()
	must(s.t, s.lab.WaitNoPathSet(ctx, s.volume.Name))
	must(s.t, s.lab.WaitDetached(ctx, s.volume.Name))
	must(s.t, s.lab.WaitNodeEmpty(ctx, s.rig))
}

// unharmed ends the writer: no error, and everything as it was written.
func (s *scene) unharmed() {
	s.t.Helper()
	stats, err := s.writer.Stop(s.ctx)
	if err != nil {
		s.t.Errorf("the writer was harmed: %v", err)
	}
	s.t.Logf("writer: %d blocks written, %d verified, %d mismatches, longest stall %.2f s from %s on",
		stats.Written, stats.Verified, stats.Mismatches, stats.Stall.Length().Seconds(), stats.Stall.From.Format("15:04:05.0"))
	if stats.Verified <= stats.Written {
		s.t.Errorf("%d blocks verified, fewer than the %d written and all places at the end", stats.Verified, stats.Written)
	}
}

// goesOn wants the writer to verify two rounds more, without an error.
func (s *scene) goesOn() {
	s.t.Helper()
	ctx, cancel := s.waiting()
	defer cancel()
	_, err := s.writer.GoesOn(ctx, 2*load.RoundDepth)
	must(s.t, err)
}

// waitSet waits until the path set is as it should be.
func (s *scene) waitSet(what string, done func(v1alpha1.NVMePathSet) error) v1alpha1.NVMePathSet {
	s.t.Helper()
	ctx, cancel := s.waiting()
	defer cancel()
	set, err := s.lab.WaitPathSet(ctx, s.volume.Name, what, done)
	must(s.t, err)
	return set
}

// until waits for something, not for ever.
func (s *scene) until(what string, done func() (bool, error)) {
	s.t.Helper()
	ctx, cancel := s.waiting()
	defer cancel()
	must(s.t, poll.Every(ctx, 100*time.Millisecond, what, done))
}

// cut cuts the first path under I/O.
func (s *scene) cut() {
	s.t.Helper()
	s.cutPath(0)
}

func (s *scene) cutPath(path int) {
	s.t.Helper()
	c, err := s.rig.Cut(s.ctx, path, s.volume.UUID, busy)
	must(s.t, err)
	s.t.Logf("cut %s with %d commands in flight", c.Path, c.InFlight)
}

// repair undoes it.
func (s *scene) repair() {
	s.t.Helper()
	s.repairPath(0)
}

func (s *scene) repairPath(path int) {
	s.t.Helper()
	must(s.t, s.rig.Repair(s.ctx, path))
}

func (s *scene) reading() nvmehost.Reading {
	s.t.Helper()
	r, err := s.rig.Read(s.ctx, s.volume.UUID)
	must(s.t, err)
	return r
}

// addr is a path's address.
func (s *scene) addr(path int) netip.AddrPort { return s.rig.Addr(path) }

// degraded waits until the path set tells all about the first path's cut: it is
// down, with the kernel's counts, and redundancy is lost.
func (s *scene) degraded() v1alpha1.NVMePathSet {
	s.t.Helper()
	set := s.waitSet("the path set to tell of the cut", func(set v1alpha1.NVMePathSet) error {
		reading, err := s.rig.Read(s.ctx, s.volume.UUID)
		return errors.Join(err, usable(set, s.addr(0), false), usable(set, s.addr(1), true),
			lab.RedundancyLost(set), check.PathSetCounts(set, reading))
	})
	if n := s.failovers(set, 0); n < check.LeastFailovers {
		s.t.Errorf("%d failovers from the path that was cut, want at least %d", n, check.LeastFailovers)
	}
	if n := s.failovers(set, 1); n != 0 {
		s.t.Errorf("%d failovers from the path that was not cut", n)
	}
	return set
}

// healthyAgain waits until the path set tells of the repair.
func (s *scene) healthyAgain() v1alpha1.NVMePathSet {
	s.t.Helper()
	return s.waitSet("the path set to tell of the repair", lab.Healthy)
}

func usable(set v1alpha1.NVMePathSet, addr netip.AddrPort, want bool) error {
	p, err := check.PathTo(set, addr)
	if err == nil && p.Usable != want {
		err = fmt.Errorf("path to %s usable: %t, want %t", addr, p.Usable, want)
	}
	return err
}

// failovers is how many there were on a path since the last reset.
func (s *scene) failovers(set v1alpha1.NVMePathSet, path int) int64 {
	s.t.Helper()
	p, err := check.PathTo(set, s.addr(path))
	must(s.t, err)
	if p.Failovers == nil {
		s.t.Fatalf("path to %s: failovers are not counted", s.addr(path))
	}
	return p.Failovers.SinceReset
}

// event waits until an object has an event, and wants it to be there once.
func (s *scene) event(kind, name, reason string) {
	s.t.Helper()
	ctx, cancel := s.waiting()
	defer cancel()
	events, err := s.lab.WaitEvent(ctx, kind, name, reason)
	must(s.t, err)
	if n := lab.CountEvents(events, reason); n != 1 {
		s.t.Errorf("%s %s has %d events %s, want 1", kind, name, n, reason)
	}
}

// events wants both path set and claim to have an event, once.
func (s *scene) events(set v1alpha1.NVMePathSet, reason string) {
	s.t.Helper()
	s.event("NVMePathSet", set.Name, reason)
	s.event("PersistentVolumeClaim", s.volume.Name, reason)
}
