package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/blockdev"
	"github.com/braid-csi/braid/hack/load"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/hack/nvmet"
	"github.com/braid-csi/braid/hack/poll"
	"github.com/braid-csi/braid/hack/rig"
	"github.com/braid-csi/braid/hack/storagenet"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/native/sockdiag"
	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/remediation"
)

const (
	// trials is how often a path dies for what is measured; for what it is held
	// against, as often as there is time meanwhile. A few do where nothing is
	// kicked.
	trials    = 30
	fewTrials = 5
	// windows is how many of them wait for the target to notice too.
	windows = 3
	// aim is what a stall should last at most, in the middle of all. It is shown,
	// not wanted: the processor is emulated.
	aim = 2500 * time.Millisecond
)

// hole is a volume with two paths of its own, of which the first dies again and
// again, and what has been measured.
type hole struct {
	t       *testing.T
	ctx     context.Context
	name    string
	connect multipath.ConnectOptions
	policy  remediation.Policy

	keeper  *keeper
	network *storagenet.Network
	path    *storagenet.Path
	to      [2]netip.AddrPort
	nqn     nvme.NQN
	device  string

	stalls, stale []time.Duration
}

// kicks is a policy that ends dead connections, however often.
func kicks() remediation.Policy {
	p := remediation.DefaultPolicy()
	p.Steps = []remediation.Step{remediation.KickConnection}
	p.BackOff, p.MaxBackOff, p.Attempts = time.Second, time.Second, 1000
	return p
}

// holes are the ways to end a stall that are held against each other. The first
// is what is measured.
func holes() []*hole {
	defaults := multipath.DefaultConnectOptions()
	defaults.ReconnectDelay = time.Second
	quick, limited := defaults, defaults
	quick.KeepAliveTimeout = time.Second
	limited.IOTimeout = 2 * time.Second
	return []*hole{
		{name: "KATO 5 s, dead connections kicked", connect: defaults, policy: kicks()},
		{name: "KATO 5 s, the kernel's defaults", connect: defaults, policy: remediation.DefaultPolicy()},
		{name: "KATO 1 s", connect: quick, policy: remediation.DefaultPolicy()},
		{name: "KATO 5 s, I/O timeout 2 s", connect: limited, policy: remediation.DefaultPolicy()},
	}
}

// TestRemediationBlackHoleWhole has a path go silent under I/O, and measures for
// how long the slowest I/O hangs.
func TestRemediationBlackHoleWhole(t *testing.T) {
	blackHoles(t, func(h *hole, _ *load.Writer) error { return h.path.Cut() })
}

// TestRemediationBlackHoleSingleFlow does it to one I/O queue's connection. The
// admin queue's keep-alive goes on as if nothing were wrong.
func TestRemediationBlackHoleSingleFlow(t *testing.T) {
	blackHoles(t, func(h *hole, w *load.Writer) error {
		port, err := h.flow(w)
		if err != nil {
			return err
		}
		return h.path.CutFlow(port)
	})
}

func blackHoles(t *testing.T, fault func(*hole, *load.Writer) error) {
	has, err := nvmehost.Kernel()
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	since := stopwatch(t)
	all := holes()
	dig(ctx, t, all)
	since("%d volumes staged", len(all))
	wanted := trials
	if !has.QueueDepth {
		// Round robin sends each of the writer's requests into the hole, one after
		// the other: then nothing completes on the other path, and nothing proves
		// that it would.
		wanted = fewTrials
	}
	measured := make(chan struct{})
	var running sync.WaitGroup
	for i, h := range all {
		running.Go(func() {
			if i == 0 {
				defer close(measured)
				h.run(fault, func() bool { return len(h.stalls) == wanted })
				return
			}
			h.run(fault, func() bool {
				select {
				case <-measured:
					return len(h.stalls) > 0
				default:
					return len(h.stalls) == wanted
				}
			})
		})
	}
	running.Wait()
	since("done")
	for _, h := range all {
		t.Log(h)
	}
	for _, h := range all[1:] {
		if tried := h.keeper.tried(h.nqn); len(tried) > 0 {
			t.Errorf("%s: somebody did %v", h.name, tried)
		}
	}
	if t.Failed() || !has.QueueDepth {
		return
	}
	lever, kernel := all[0], all[1]
	t.Logf("kicked, %.2f s of at most %.2f s that are aimed at", median(lever.stalls).Seconds(), aim.Seconds())
	if got, limit := median(lever.stalls), median(kernel.stalls)/2; got > limit {
		t.Errorf("kicked, the median stall is %s, more than half of the kernel's %s", got, 2*limit)
	}
	if n := len(lever.keeper.tried(lever.nqn)); n != trials {
		t.Errorf("%d steps were taken in %d trials", n, trials)
	}
}

// dig builds a target with a subsystem and two paths for each of the holes, and
// stages their volumes.
func dig(ctx context.Context, t *testing.T, all []*hole) {
	t.Helper()
	network, err := storagenet.New(2 * len(all))
	must(t, err)
	cleanup(t, network.Close)
	target, err := nvmet.Open(nvmet.ListenIn(network.Do))
	must(t, err)
	cleanup(t, target.Remove)
	keeper := newKeeper(ctx, t, "holes")
	for i, h := range all {
		h.t, h.ctx, h.keeper, h.network, h.path = t, ctx, keeper, network, network.Paths[2*i]
		h.nqn = nvme.NQN(fmt.Sprintf("nqn.2026-11.test.braid:hole-%d", i))
		disk, err := blockdev.NewNull(blockdev.NullConfig{Name: fmt.Sprintf("hole%d", i), SizeMB: 16, Delay: slow})
		must(t, err)
		cleanup(t, disk.Remove)
		subsystem, err := target.NewSubsystem(nvmet.SubsystemConfig{NQN: string(h.nqn)})
		must(t, err)
		_, err = subsystem.NewNamespace(nvmet.NamespaceConfig{NSID: 1, Device: disk.Device(), UUID: uuid(i)})
		must(t, err)
		for j := range h.to {
			h.to[j] = netip.AddrPortFrom(network.Paths[2*i+j].Target, rig.TCPPort)
			port, err := target.NewPort(uint16(2*i+j+1), h.to[j])
			must(t, err)
			must(t, port.Link(subsystem))
		}
		h.stage(i)
	}
}

func (h *hole) stage(i int) {
	h.t.Helper()
	v := multipath.Volume{
		ID: h.volumeID(), SubsystemNQN: h.nqn, Connect: h.connect,
		Namespace: nvme.NamespaceID{Type: nvme.UUID, Value: uuid(i)},
	}
	h.device = h.keeper.stage(v, h.policy, h.to[:]...).Path
	h.t.Cleanup(func() { h.keeper.release(v.ID) })
}

func (h *hole) volumeID() string { return string(h.nqn) }

// run has the path die until there is enough. Trials of several holes run side by
// side, each on a network path of its own.
func (h *hole) run(fault func(*hole, *load.Writer) error, enough func() bool) {
	for !enough() && h.ctx.Err() == nil && !h.t.Failed() {
		if err := h.trial(fault); err != nil {
			h.t.Errorf("%s, trial %d: %v", h.name, len(h.stalls)+1, err)
			return
		}
	}
}

// flow is the host's port of a connection that carries I/O.
func (h *hole) flow(w *load.Writer) (uint16, error) {
	return storagenet.BusiestFlow(h.to[0], func() error { return h.goesOn(w) })
}

// goesOn waits for I/O.
func (h *hole) goesOn(w *load.Writer) error {
	enough := w.Stats().Verified + 16
	return h.until("I/O", func() (bool, error) { return w.Stats().Verified > enough, w.Err() })
}

// trial is one death of the path, from all well to all well.
func (h *hole) trial(fault func(*hole, *load.Writer) error) error {
	if err := h.quiet(); err != nil {
		return err
	}
	disk, err := openTimed(h.device)
	if err != nil {
		return err
	}
	w, err := load.StartOn(disk, h.device, 4)
	if err != nil {
		return err
	}
	controller, err := h.controller()
	if err != nil {
		return err
	}
	if err := h.goesOn(w); err != nil {
		return err
	}
	flows, err := sockdiag.To(sockdiag.ServiceOf(h.to[0]))
	if err != nil {
		return err
	}
	flows = slices.DeleteFunc(flows, func(s sockdiag.Socket) bool { return s.Remote != h.to[0] })
	disk.forget()
	rtt := h.rtt()
	if err := fault(h, w); err != nil {
		return err
	}
	err = h.until("the host to give the path up", func() (bool, error) {
		state, err := controller.State()
		return state != "live", err
	})
	if err != nil {
		return err
	}
	givenUp := time.Now()
	err = h.until("the I/O that hung", func() (bool, error) { return !disk.waiting(givenUp), w.Err() })
	if err != nil {
		return err
	}
	h.stalls = append(h.stalls, disk.slowest())
	h.t.Logf("%s, trial %d: %.2f s; RTT %s", h.name, len(h.stalls), disk.slowest().Seconds(), rtt)
	if _, err := w.Stop(); err != nil { // verifies every block
		return err
	}
	if len(h.stale) < windows {
		if err := h.window(givenUp, flows); err != nil {
			return err
		}
	}
	return h.path.Restore()
}

// settle is for how long nothing must be in flight for one trial's requests not
// to be taken for those of the next.
const settle = 2 * time.Second

// quiet waits until both paths are usable, and nothing has been in flight for a
// while.
func (h *hole) quiet() error {
	err := h.keeper.waitSet(h.volumeID(), "both paths", func(s *multipath.PathSet) bool { return s.Usable() == 2 })
	if err != nil {
		return err
	}
	var since time.Time
	return h.until("an end to the stall", func() (bool, error) {
		for _, e := range h.keeper.layer.Evidence(h.ctx, h.keeper.layer.Subsystem(h.nqn)) {
			if e.Connections == multipath.Silent || e.InFlight == nil || *e.InFlight > 0 {
				since = time.Time{}
			}
		}
		if since.IsZero() {
			since = time.Now()
		}
		return time.Since(since) >= settle, nil
	})
}

// controller is that of the path that dies.
func (h *hole) controller() (c nvmehost.Controller, err error) {
	for _, p := range h.keeper.layer.Snapshot().PathSet(h.volumeID()).Paths {
		if p.Address == transportID(h.to[0]) {
			_, err := fmt.Sscanf(p.Controller, "nvme%d", &c.Instance)
			return c, err
		}
	}
	return c, fmt.Errorf("no path to %s", h.to[0])
}

// rtt is the longest round-trip time of the path's connections: the kernel
// repeats itself after a time that depends on it.
func (h *hole) rtt() (longest time.Duration) {
	for _, p := range h.keeper.layer.Snapshot().PathSet(h.volumeID()).Paths {
		for _, c := range p.Connections {
			if p.Address == transportID(h.to[0]) {
				longest = max(longest, c.RTT)
			}
		}
	}
	return longest
}

// window measures for how long the target may still carry out what the host has
// repeated on the other path: until it has ended the connections.
func (h *hole) window(from time.Time, flows []sockdiag.Socket) error {
	err := h.until("the target to end the connections", func() (bool, error) {
		there := 0
		err := h.network.Do(func() error {
			for _, f := range flows {
				ends, err := sockdiag.To(sockdiag.ServiceOf(f.Local))
				if err != nil {
					return err
				}
				if slices.ContainsFunc(ends, func(s sockdiag.Socket) bool { return s.Remote == f.Local }) {
					there++
				}
			}
			return nil
		})
		return there == 0, err
	})
	h.stale = append(h.stale, time.Since(from))
	return err
}

func (h *hole) until(what string, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(h.ctx, 90*time.Second)
	defer cancel()
	return poll.Until(ctx, what, done)
}

// String is a line of the table of results.
func (h *hole) String() string {
	return fmt.Sprintf("%-34s %2d trials: stall median %5.2f s, max %5.2f s; stale window %s",
		h.name, len(h.stalls), median(h.stalls).Seconds(), slices.Max(append(h.stalls, 0)).Seconds(), seconds(h.stale))
}

func median(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

func seconds(all []time.Duration) (s string) {
	for _, d := range all {
		s += fmt.Sprintf("%.1f s ", d.Seconds())
	}
	return s
}
