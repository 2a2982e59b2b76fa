package e2e

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/hack/faultpoints"
	"github.com/braid-csi/braid/hack/node"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/hack/poll"
	"github.com/braid-csi/braid/hack/rig"
	"github.com/braid-csi/braid/pkg/nvme"
)

// TestCrashEveryStep kills braid-node before every single side effect of every
// call that changes something, starts it again and repeats the call, as a CO
// does. What comes of it must be what comes of a call that nobody disturbed.
//
// Which steps there are is not written here: braid-node is killed before the
// first, then before the second, until the call survives.
func TestCrashEveryStep(t *testing.T) {
	for _, fsType := range []string{"ext4", ""} {
		for _, call := range crashCalls {
			if call.mountedOnly && fsType == "" {
				continue
			}
			t.Run(cmp.Or(fsType, "raw")+"/"+call.name, func(t *testing.T) {
				newCrash(t, fsType).everyStep(call)
			})
		}
	}
}

// crashCall is a call that changes something.
type crashCall struct {
	name string
	// from is where the volume is before, to where the call brings it.
	from, to life
	// mountedOnly: a raw volume has no steps of its own in it.
	mountedOnly bool
	// before makes something up that the call shall find.
	before func(*crash)
	call   func(*crash) error
}

// life is how far a volume has come on the node.
type life int

const (
	away life = iota
	staged
	published
)

var crashCalls = []crashCall{
	{name: "stage an empty device", from: away, to: staged, mountedOnly: true, before: (*crash).wipe, call: (*crash).stage},
	{name: "stage", from: away, to: staged, call: (*crash).stage},
	{name: "publish", from: staged, to: published, call: (*crash).publish},
	{name: "expand", from: published, to: published, mountedOnly: true, before: (*crash).grow, call: (*crash).expand},
	{name: "reset", from: published, to: published, mountedOnly: true, before: (*crash).count, call: (*crash).reset},
	{name: "unpublish", from: published, to: staged, before: (*crash).count, call: (*crash).unpublish},
	{name: "unstage", from: staged, to: away, before: (*crash).count, call: (*crash).unstage},
}

// crash is a volume whose braid-node is killed again and again.
type crash struct {
	*scene
	v  node.Volume
	at life
	// lifetime is how many failovers the first path has seen.
	lifetime uint64
	// sizeMB is the namespace's size now.
	sizeMB int
	// wiped: what was kept is gone.
	wiped bool
}

func newCrash(t *testing.T, fsType string) *crash {
	t.Helper()
	const sizeMB = 64
	s := newSceneWith(t, node.Config{ClearAfter: clearAfter, Faultpoints: true}, rig.Namespace{SizeMB: sizeMB, Growable: true})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	t.Cleanup(cancel)
	s.ctx = ctx
	c := &crash{scene: s, sizeMB: sizeMB}
	c.v = s.volume(0, fsType).With("minPaths", "2")
	s.volumes[0] = c.v
	// Once as it should be: modules are loaded, and there is something to lose.
	c.bring(published)
	c.keep()
	return c
}

// everyStep kills braid-node before each step of a call.
func (c *crash) everyStep(call crashCall) {
	c.t.Helper()
	_, undisturbed := c.round(call, 0)
	for n := 1; ; n++ {
		step, after := c.round(call, n)
		if step == "" {
			c.t.Logf("%s: killed before each of %d steps", call.name, n-1)
			break
		}
		c.t.Logf("%3d  %s", n, step)
		if diff := gocmp.Diff(undisturbed, after); diff != "" {
			c.t.Fatalf("%s, killed before step %d (%s) and repeated, has come to something else (-undisturbed +killed):\n%s", call.name, n, step, diff)
		}
	}
	c.bring(published)
	c.kept()
	c.bring(away)
	c.nothingLeft()
	c.sound()
}

// round makes a call once, with braid-node killed before the n-th step and the
// call repeated, and returns that step and the traces of the volume at the end.
// The step is empty if there are fewer.
func (c *crash) round(call crashCall, n int) (step string, after traces) {
	c.t.Helper()
	c.bring(call.from)
	if call.before != nil {
		call.before(c)
	}
	var killed error
	points, err := faultpoints.Listen(func(i int, what string) {
		if i == n {
			step, killed = what, c.node.KillAll()
		}
	})
	must(c.t, err)
	err = call.call(c)
	_, closed := points.Close()
	must(c.t, closed)
	must(c.t, killed)
	if step == "" {
		must(c.t, err)
	} else {
		made := c.madeAt()
		must(c.t, c.node.Start(c.ctx))
		must(c.t, call.call(c))
		if again := c.madeAt(); made != "" && again != made {
			c.t.Fatalf("%s, killed before %s: the file system %s was formatted again, it is %s now", call.name, step, made, again)
		}
	}
	c.at = call.to
	return step, c.settledTraces()
}

// settledTraces are the traces of the volume once nothing is going on any more:
// what comes up late has its time to do so.
func (c *crash) settledTraces() traces {
	c.t.Helper()
	want := 0
	if c.at != away {
		want = 2
		c.counted()
	}
	var now traces
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	err := poll.Until(ctx, fmt.Sprintf("%d controllers, claimed", want), func() (_ bool, err error) {
		now, err = c.traces()
		return err == nil && now.Controllers == want && len(now.Claims) == want*len(claimFiles), err
	})
	if err != nil {
		c.t.Fatalf("%v: %+v", err, now)
	}
	return now
}

// bring makes the calls that bring the volume where it shall be.
func (c *crash) bring(to life) {
	c.t.Helper()
	for c.at < to {
		must(c.t, []func() error{c.stage, c.publish}[c.at]())
		c.at++
	}
	for c.at > to {
		c.at--
		must(c.t, []func() error{c.unstage, c.unpublish}[c.at]())
	}
}

func (c *crash) stage() error     { return c.node.Stage(c.ctx, c.v) }
func (c *crash) publish() error   { return c.node.Publish(c.ctx, c.v) }
func (c *crash) unpublish() error { return c.node.Unpublish(c.ctx, c.v) }
func (c *crash) unstage() error   { return c.node.Unstage(c.ctx, c.v) }

func (c *crash) expand() error {
	_, err := c.node.Expand(c.ctx, c.v, int64(c.sizeMB)*mib)
	return err
}

// grow makes the namespace a little larger.
func (c *crash) grow() {
	c.t.Helper()
	c.sizeMB += 8
	must(c.t, c.rig.Grow(0, c.sizeMB))
}

// reset resets the counters. Where nothing is counted it is refused, killed or
// not.
func (c *crash) reset() error {
	_, err := c.node.Reset(c.ctx, c.v.ID, "crash test")
	if err != nil && !c.kernel.Counters && strings.Contains(err.Error(), "not supported") {
		return nil
	}
	return err
}

// more is how many failovers count adds.
const more = 7

// count has the first path fail over some requests, as the kernel would count.
func (c *crash) count() {
	c.t.Helper()
	if !c.kernel.Counters {
		return
	}
	p := c.reading(c.v).Ways[c.addr(0)].Path
	have, err := p.Counter(nvmehost.Failovers)
	must(c.t, err)
	must(c.t, p.SetCounter(nvmehost.Failovers, have+more))
	c.lifetime += more
}

// counted wants no count to be lost, and none to be counted twice.
func (c *crash) counted() {
	c.t.Helper()
	if !c.kernel.Counters {
		return
	}
	ctx, cancel := context.WithTimeout(c.ctx, 10*time.Second)
	defer cancel()
	var got uint64
	err := poll.Until(ctx, "all counts to be known", func() (bool, error) {
		got = c.firstPath(c.v).Counts[nvme.Failovers].Lifetime
		return got == c.lifetime, nil
	})
	if err != nil {
		c.t.Fatalf("the first path's lifetime is %d failovers, want %d", got, c.lifetime)
	}
}
