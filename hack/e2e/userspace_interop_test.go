package e2e

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/load"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/hack/nvmet"
	"github.com/braid-csi/braid/hack/rig"
	"github.com/braid-csi/braid/pkg/head"
	"github.com/braid-csi/braid/pkg/host"
	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
	"github.com/braid-csi/braid/pkg/target"
)

// peer is a target that our host is tried with.
type peer interface {
	setANA(t *testing.T, state nvme.ANAState)
	cut(t *testing.T)
	repair(t *testing.T)
}

// TestUserspaceHost has our host use the kernel's target and ours, without and
// with digests: both paths, an ANA change, a cut with I/O in flight, and back.
func TestUserspaceHost(t *testing.T) {
	for _, digests := range []struct {
		name string
		set  nvmetcp.Digests
	}{{"plain", 0}, {"digests", nvmetcp.HeaderDigest | nvmetcp.DataDigest}} {
		t.Run("nvmet/"+digests.name, func(t *testing.T) {
			k := newKernelTarget(t, sluggish)
			k.tryOurs(t, digests.set, k.rig.Addrs(), k)
		})
		t.Run("braid-target/"+digests.name, func(t *testing.T) {
			s := newTargetScene(t, nil)
			_, err := s.target.Inject(target.Fault{Commands: target.AnyIO, Delay: target.Duration(sluggish)})
			must(t, err)
			p := ourTarget{s}
			trial{s.ctx, s.nqn}.tryOurs(t, digests.set, p.addresses(), p)
		})
	}
}

// sluggish is what a command takes, so that there are some in flight to lose.
const sluggish = 50 * time.Millisecond

// trial is a target as our host is told of it.
type trial struct {
	ctx context.Context
	nqn string
}

func (tr trial) tryOurs(t *testing.T, digests nvmetcp.Digests, addresses []netip.AddrPort, p peer) {
	tr.discover(t, addresses)
	o := newOurs(tr.ctx, t, tr.nqn, addresses, func(cfg *head.Config) { cfg.Host.Digests = digests })
	w := o.write(0)
	for _, state := range []nvme.ANAState{nvme.ANANonOptimized, nvme.ANAInaccessible, nvme.ANAOptimized} {
		p.setANA(t, state)
		o.waitANA(0, state)
		o.goesOn(w)
	}
	before := o.counters(nvme.Failovers)
	o.until("I/O in flight on the first path", func() (bool, error) { return o.path(0).InFlight >= busy, w.Err() })
	p.cut(t)
	o.waitUsable(0, false)
	o.goesOn(w)
	after := o.counters(nvme.Failovers)
	t.Logf("failovers %v before the cut, %v after", before, after)
	if after[0] <= before[0] || after[1] != 0 {
		t.Errorf("failovers %v before the cut, %v after: want more of the first path and none of the second", before, after)
	}
	p.repair(t)
	o.waitUsable(0, true)
	o.goesOn(w)
	o.unharmed(w)
	if n := o.counters(nvme.Errors); n != [2]uint64{} {
		t.Errorf("errors %v, want none", n)
	}
}

// discover wants the subsystem to be found at each address.
func (tr trial) discover(t *testing.T, addresses []netip.AddrPort) {
	t.Helper()
	for _, a := range addresses {
		cfg := ourHost(string(nvmetcp.DiscoveryNQN))
		cfg.Address = transportID(a)
		records, err := host.Discover(tr.ctx, cfg)
		must(t, err)
		if !slices.ContainsFunc(records, func(r nvmetcp.DiscoveryRecord) bool {
			return string(r.SubsystemNQN) == tr.nqn && r.TransportID == cfg.Address
		}) {
			t.Errorf("discovery at %s: %+v, want %s there", a, records, tr.nqn)
		}
	}
}

// kernelTarget is the kernel's target with a port on each of two paths.
type kernelTarget struct {
	trial
	rig *rig.Rig
}

func newKernelTarget(t testing.TB, delay time.Duration) kernelTarget {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	k := kernelTarget{trial: trial{ctx, "nqn.2026-11.test.braid:" + strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-"))}}
	var err error
	k.rig, err = rig.New(rig.Config{NQN: k.nqn, Paths: 2, Namespaces: []rig.Namespace{{UUID: targetUUID, SizeMB: 64, Delay: delay}}})
	must(t, err)
	cleanup(t, k.rig.Close)
	return k
}

// connect connects the kernel's host over both paths.
func (k kernelTarget) connect(t testing.TB) (nvmehost.Head, []nvmehost.Controller) {
	t.Helper()
	var controllers []nvmehost.Controller
	for _, a := range k.rig.Addrs() {
		c, err := nvmehost.Connect(nvmehost.ConnectOptions{NQN: k.nqn, Addr: a, ReconnectDelay: time.Second})
		must(t, err)
		cleanup(t, c.Disconnect)
		controllers = append(controllers, c)
	}
	h, err := nvmehost.WaitHead(k.ctx, targetUUID)
	must(t, err)
	_, err = h.WaitPaths(k.ctx, controllers...)
	must(t, err)
	must(t, h.SetIOPolicy("round-robin"))
	return h, controllers
}

func (k kernelTarget) setANA(t *testing.T, state nvme.ANAState) {
	t.Helper()
	must(t, k.rig.Ports[0].SetANAState(1, nvmet.ANAState(state)))
}

func (k kernelTarget) cut(t *testing.T) {
	t.Helper()
	must(t, k.rig.Ports[0].Unlink(k.rig.Subsystem))
}

func (k kernelTarget) repair(t *testing.T) {
	t.Helper()
	must(t, k.rig.Ports[0].Link(k.rig.Subsystem))
}

// ourTarget is our own target as a peer.
type ourTarget struct{ *targetScene }

func (p ourTarget) addresses() []netip.AddrPort {
	p.t.Helper()
	var all []netip.AddrPort
	for port := uint16(1); port <= 2; port++ {
		a, err := p.target.Address(port)
		must(p.t, err)
		all = append(all, a)
	}
	return all
}

func (p ourTarget) setANA(t *testing.T, state nvme.ANAState) {
	t.Helper()
	must(t, p.target.SetANA(1, 1, state))
}

func (p ourTarget) cut(t *testing.T) {
	t.Helper()
	must(t, p.target.Cut(1))
}

func (p ourTarget) repair(t *testing.T) {
	t.Helper()
	must(t, p.target.Repair(1))
}

// TestUserspaceBothHosts has the kernel's host and ours use one subsystem of the
// kernel's target at once, and lose a path together.
func TestUserspaceBothHosts(t *testing.T) {
	k := newKernelTarget(t, sluggish)
	o := newOurs(k.ctx, t, k.nqn, k.rig.Addrs(), nil)
	h, controllers := k.connect(t)
	theirs, err := load.StartWriter(h.Device(), load.DefaultDepth)
	must(t, err)
	w := o.write(32 << 20)
	o.goesOn(theirs)

	k.cut(t)
	o.waitUsable(0, false)
	must(t, controllers[0].WaitState(k.ctx, "connecting"))
	o.goesOn(w)
	o.goesOn(theirs)
	k.repair(t)
	o.waitUsable(0, true)
	must(t, controllers[0].WaitState(k.ctx, "live"))
	o.goesOn(w)
	o.goesOn(theirs)

	o.unharmed(w)
	if _, err := theirs.Stop(); err != nil {
		t.Errorf("the kernel's writer was harmed: %v", err)
	}
}
