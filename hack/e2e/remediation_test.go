package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/load"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/hack/poll"
	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/remediation"
	"github.com/braid-csi/braid/pkg/target"
)

// kept is our target with two paths, and a keeper who has connected them.
type kept struct {
	*targetScene
	keeper *keeper
	volume string
	disk   *timedDisk
	writer *load.Writer
}

func newKept(t *testing.T, p remediation.Policy) *kept {
	t.Helper()
	s := newTargetScene(t, nil)
	k := &kept{targetScene: s, keeper: newKeeper(s.ctx, t, "kept"), volume: "kept"}
	connect := multipath.DefaultConnectOptions()
	connect.ReconnectDelay = time.Second
	first, err := s.target.Address(1)
	must(t, err)
	second, err := s.target.Address(2)
	must(t, err)
	d := k.keeper.stage(multipath.Volume{
		ID: k.volume, SubsystemNQN: nvme.NQN(s.nqn), Connect: connect,
		Namespace: nvme.NamespaceID{Type: nvme.UUID, Value: targetUUID},
	}, p, first, second)
	t.Cleanup(func() { k.keeper.release(k.volume) })
	k.disk, err = openTimed(d.Path)
	must(t, err)
	k.writer, err = load.StartOn(k.disk, d.Path, 8)
	must(t, err)
	k.goesOn(k.writer)
	return k
}

// path is the path to a port, as the layer has it.
func (k *kept) path(port uint16) multipath.Path {
	for _, p := range k.keeper.layer.Snapshot().PathSet(k.volume).Paths {
		if a, err := k.target.Address(port); err == nil && p.Address == transportID(a) {
			return p
		}
	}
	return multipath.Path{}
}

// everything is a policy that may do all that is done to paths, with the shortest
// pauses that the API has: with shorter ones it would not leave the kernel the time
// to connect a path by itself.
func everything() remediation.Policy {
	p := kicks()
	p.BackOff, p.MaxBackOff = 10*time.Second, 10*time.Second
	p.Steps = []remediation.Step{remediation.Rescan, remediation.ResetController, remediation.KickConnection, remediation.Reconnect}
	return p
}

// TestRemediationSlowBackend has the target take 20 s for every command, over
// connections that answer. Whatever may be done: nothing is, for it would help
// nobody, and the commands complete.
func TestRemediationSlowBackend(t *testing.T) { brownOut(t, target.Fault{}) }

// TestRemediationSlowPort has it do so on one port. The other path goes on, and
// still nothing proves that the first one is dead.
func TestRemediationSlowPort(t *testing.T) { brownOut(t, target.Fault{Port: 1}) }

func brownOut(t *testing.T, fault target.Fault) {
	const delay = 20 * time.Second
	k := newKept(t, everything())
	k.disk.forget()
	fault.Delay = target.Duration(delay)
	id, err := k.target.Inject(fault)
	must(t, err)
	k.until("I/O that hangs", func() (bool, error) { return k.hits(id) >= 4, k.writer.Err() })
	k.until("the first of it to come back", func() (bool, error) { return k.disk.slowest() >= delay, k.writer.Err() })
	must(t, k.target.Clear(id))
	k.goesOn(k.writer)
	k.unharmed(k.writer)
	t.Logf("slowest I/O %.1f s", k.disk.slowest().Seconds())
	if tried := k.keeper.tried(nvme.NQN(k.nqn)); len(tried) > 0 {
		t.Errorf("done: %+v; want nothing", tried)
	}
	for _, c := range k.keeper.layer.Subsystem(nvme.NQN(k.nqn)).Controllers {
		if n := c.Counters[nvme.Resets]; n != 0 { // of kernels that count
			t.Errorf("%s was reset %d times", c.Name, n)
		}
	}
}

// TestRemediationDNROnReconnect has the target refuse a reconnect for good (DNR).
// The kernel gives the controller up, though it was told never to (ctrl_loss_tmo
// is -1; Linux 6.1 goes on). That is noticed, and the path is connected anew once
// the target lets it, by nobody's doing.
func TestRemediationDNROnReconnect(t *testing.T) {
	k := newKept(t, remediation.DefaultPolicy())
	has, err := nvmehost.Kernel()
	must(t, err)
	before := k.path(1)
	id, err := k.target.Inject(target.Fault{Port: 1, Commands: target.Connects, Status: nvme.StatusConnectInvalidParameters | nvme.DNR})
	must(t, err)
	since := stopwatch(t)
	must(t, k.target.Drop(1, target.AllQueues))
	k.until("the refusals", func() (bool, error) {
		if p := k.path(1); has.DNREnds {
			return p.State == nvme.StateAbsent && p.ConnectError != "", nil
		}
		return k.hits(id) >= 2, nil
	})
	if p := k.path(1); has.DNREnds {
		since("%s is gone: %s", before.Controller, p.ConnectError)
	} else {
		since("%s is %s", before.Controller, p.State)
	}
	k.goesOn(k.writer)
	must(t, k.target.Clear(id))
	must(t, k.keeper.waitSet(k.volume, "both paths", func(s *multipath.PathSet) bool { return s.Usable() == 2 }))
	since("connected anew as %s", k.path(1).Controller)
	k.goesOn(k.writer)
	k.unharmed(k.writer)
}

// TestRemediationStandbyBroken has an idle path lose all large packets. Its
// keep-alives are answered, so for the kernel it is as live as before; that it is
// of no use is found by asking it, before it is needed.
func TestRemediationStandbyBroken(t *testing.T) {
	k := newKept(t, remediation.DefaultPolicy())
	must(t, k.target.SetANA(2, 1, nvme.ANANonOptimized))
	since := stopwatch(t)
	k.until("the standby to be idle, and to answer", func() (bool, error) {
		p := k.path(2)
		return p.ANAState == nvme.ANANonOptimized && p.Probe != nil && p.Probe.Problem == "", nil
	})
	since("it answered within %s", k.path(2).Probe.Took)
	must(t, k.net.Paths[1].CutLarge())
	var found []health.Finding
	k.until("a finding", func() (bool, error) {
		set := k.keeper.layer.Snapshot().PathSet(k.volume)
		found, _ = health.Assess(set, health.DefaultPolicy(), health.History{}, time.Now())
		return len(found) > 0, nil
	})
	since("found: %+v; the path is %s", found, k.path(2).State)
	if found[0].Reason != health.PathUnresponsive {
		t.Errorf("found %+v, want %s first", found, health.PathUnresponsive)
	}
	k.goesOn(k.writer)
	must(t, k.net.Paths[1].Restore())
	k.until("the standby to answer again", func() (bool, error) {
		p := k.path(2)
		return p.Usable() && p.Probe != nil && p.Probe.Problem == "", nil
	})
	since("it answers again")
	k.unharmed(k.writer)
}

// TestRemediationMTUGrey has a path under I/O lose the large packets that come
// from the target: what was read hangs, over connections that acknowledge all
// that is sent. That is no evidence of a dead path, so nothing is done: the
// kernel's I/O timeout ends it, and I/O goes on over the other path.
func TestRemediationMTUGrey(t *testing.T) {
	k := newKept(t, everything())
	since := stopwatch(t)
	k.disk.forget()
	must(t, k.net.Paths[0].CutLarge())
	k.until("the host to give the path up", func() (bool, error) { return k.path(1).State != nvme.StateLive, k.writer.Err() })
	since("the path is %s", k.path(1).State)
	k.goesOn(k.writer)
	must(t, k.net.Paths[0].Restore())
	must(t, k.keeper.waitSet(k.volume, "both paths", func(s *multipath.PathSet) bool { return s.Usable() == 2 }))
	k.goesOn(k.writer)
	k.unharmed(k.writer)
	since("both paths are there; the slowest I/O took %.1f s", k.disk.slowest().Seconds())
	if tried := k.keeper.tried(nvme.NQN(k.nqn)); len(tried) > 0 {
		t.Errorf("done: %+v; want nothing", tried)
	}
}

// TestRemediationMarginal has a path become slow, but not fail. It is used as
// before, and called marginal until it is as quick again as the other one.
func TestRemediationMarginal(t *testing.T) {
	k := newKept(t, everything())
	policy, history := health.DefaultPolicy(), health.History{}
	policy.ClearAfter = time.Second
	finds := func(want ...health.Reason) {
		t.Helper()
		since := stopwatch(t)
		var found []health.Finding
		k.until(fmt.Sprintf("the findings %s", want), func() (bool, error) {
			found, history = health.Assess(k.keeper.layer.Snapshot().PathSet(k.volume), policy, history, time.Now())
			return slices.EqualFunc(found, want, func(f health.Finding, r health.Reason) bool { return f.Reason == r }), k.writer.Err()
		})
		since("found: %+v", found)
	}
	finds()
	must(t, k.net.Paths[0].Degrade(50*time.Millisecond, 0))
	finds(health.PathMarginal)
	must(t, k.net.Paths[0].Restore())
	finds()
	k.unharmed(k.writer)
	if tried := k.keeper.tried(nvme.NQN(k.nqn)); len(tried) > 0 {
		t.Errorf("done: %+v; want nothing", tried)
	}
}

// TestRemediationBench has a policy that takes a slow path out of use for a while.
// No request waits for that; the path comes back, as quick as the other one.
func TestRemediationBench(t *testing.T) {
	bench := kicks()
	bench.Steps, bench.BenchTime = []remediation.Step{remediation.Bench}, 15*time.Second
	k := newKept(t, bench)
	since := stopwatch(t)
	must(t, k.net.Paths[0].Degrade(50*time.Millisecond, 0))
	// Paths are judged by half a minute of which all was seen.
	must(t, poll.Until(k.ctx, "the slow path to be benched", func() (bool, error) {
		p := k.path(1)
		return !p.BenchedUntil.IsZero() && p.Controller == "", k.writer.Err()
	}))
	since("benched")
	must(t, k.net.Paths[0].Restore())
	k.disk.forget()
	k.goesOn(k.writer)
	since("slowest I/O without it %s", k.disk.slowest())
	k.until("the path to be back", func() (bool, error) {
		p := k.path(1)
		return p.BenchedUntil.IsZero() && p.Usable(), k.writer.Err()
	})
	since("back")
	k.goesOn(k.writer)
	k.unharmed(k.writer)
	if tried := k.keeper.tried(nvme.NQN(k.nqn)); len(tried) != 1 || tried[0].Step != remediation.Bench {
		t.Errorf("done: %+v; want one %s", tried, remediation.Bench)
	}
	for _, p := range k.keeper.layer.Snapshot().PathSet(k.volume).Paths {
		if n := p.Record.Tallies[nvme.Failovers].Lifetime; n != 0 { // of kernels that count
			t.Errorf("%d requests failed over from %s", n, p.Address)
		}
	}
}
