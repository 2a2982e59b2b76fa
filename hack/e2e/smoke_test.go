package e2e

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/load"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/hack/poll"
	"github.com/braid-csi/braid/hack/rig"
)

const (
	smokeNQN  = "nqn.2026-11.test.braid:smoke"
	smokeUUID = "6d1a9a2e-51a7-4c3b-9c3e-0d6b5d1f0a01"
	backend   = 100 * time.Millisecond
	depth     = 32
)

// TestHarnessBoots proves the test bed with nothing of Braid's in it: two paths,
// one cut under load, the kernel's own counter, and the repair.
func TestHarnessBoots(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	since := stopwatch(t)

	r, err := rig.New(rig.Config{NQN: smokeNQN, Paths: 2, Namespaces: []rig.Namespace{
		{UUID: smokeUUID, SizeMB: 64, Delay: backend},
	}})
	must(t, err)
	cleanup(t, r.Close)
	since("target ready")

	var controllers []nvmehost.Controller
	for i := range r.Ports {
		c, err := r.Connect(i, nvmehost.ConnectOptions{ReconnectDelay: time.Second})
		must(t, err)
		controllers = append(controllers, c)
	}
	since("%d controllers connected", len(controllers))

	head, err := nvmehost.WaitHead(ctx, smokeUUID)
	must(t, err)
	paths, err := head.WaitPaths(ctx, controllers...)
	must(t, err)
	must(t, head.SetIOPolicy("round-robin"))
	since("%s with paths %v", head, paths)

	reads, err := load.StartReads(head.Device(), depth)
	must(t, err)
	for _, p := range paths {
		must(t, poll.Until(ctx, "reads in flight on "+p.String(), func() (bool, error) {
			n, err := p.Inflight()
			return n >= depth/4, err
		}))
	}
	since("%d reads in flight", depth)

	must(t, r.Cut(0))
	must(t, controllers[0].WaitState(ctx, "connecting"))
	since("port 1 cut, %s connecting", controllers[0])
	done := reads.Completed()
	must(t, poll.Until(ctx, "reads on the path left", func() (bool, error) { return reads.Completed() > done+2*depth, nil }))

	checkFailovers(t, paths[0], paths[1])
	since("failovers counted")

	must(t, r.Repair(0))
	must(t, controllers[0].WaitState(ctx, "live"))
	since("port 1 repaired, %s live", controllers[0])
	must(t, reads.Stop())
	since("%d reads, none failed", reads.Completed())
}

// checkFailovers wants failovers on the path that was cut and none on the other,
// and none to be counted by a kernel that does not.
// How many is a matter of luck: those in flight when the target let go.
func checkFailovers(t *testing.T, cut, other nvmehost.Path) {
	t.Helper()
	has, err := nvmehost.Kernel()
	must(t, err)
	if !has.Counters {
		if _, err := cut.Counter(nvmehost.Failovers); !errors.Is(err, nvmehost.ErrNoCounters) {
			t.Errorf("the failovers of %s: %v; want none to be counted by Linux %s", cut, err, has.Release)
		}
		return
	}
	on, err := cut.Counter(nvmehost.Failovers)
	must(t, err)
	off, err := other.Counter(nvmehost.Failovers)
	must(t, err)
	t.Logf("failovers: %s %d, %s %d", cut, on, other, off)
	if on == 0 || off != 0 {
		t.Errorf("failovers after cutting %s under load: %d on it, want some; %d on %s, want none", cut, on, off, other)
	}
}
