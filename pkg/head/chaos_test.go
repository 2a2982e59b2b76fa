package head

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/target"
)

// chaos makes one fault after another.
type chaos struct {
	*rig
	m      *model
	random *rand.Rand
	made   map[string]int
}

// progress is how many operations the workload does between two faults: a fault
// in a workload that waits would hit nothing.
const progress = 300

func (c *chaos) port() uint16 { return c.ports[c.random.IntN(len(c.ports))] }

// for a moment, at most d.
func (c *chaos) moment(ctx context.Context, d time.Duration) {
	pause(ctx, time.Duration(c.random.Int64N(int64(d))))
}

// next makes a fault, and repairs it.
func (c *chaos) next(ctx context.Context) {
	kinds := []struct {
		name string
		do   func(context.Context, uint16)
	}{
		{"cut", c.cut}, {"drop", c.drop}, {"ANA", c.ana}, {"black hole", c.blackHole},
		{"late", c.late}, {"late", c.late}, {"status", c.status}, {"all cut", c.cutAll},
	}
	k := kinds[c.random.IntN(len(kinds))]
	if c.made == nil {
		c.made = map[string]int{}
	}
	c.made[k.name]++
	k.do(ctx, c.port())
	from := c.m.ops.Load()
	c.until("the workload to go on", func() bool { return ctx.Err() != nil || c.m.ops.Load() >= from+progress })
}

func (c *chaos) cut(ctx context.Context, port uint16) {
	c.must(c.target.Cut(port))
	c.moment(ctx, 50*time.Millisecond)
	c.must(c.target.Repair(port))
}

// cutAll leaves no path.
func (c *chaos) cutAll(ctx context.Context, _ uint16) {
	for _, p := range c.ports {
		c.must(c.target.Cut(p))
	}
	c.moment(ctx, 50*time.Millisecond)
	for _, p := range c.ports {
		c.must(c.target.Repair(p))
	}
}

// drop ends connections: of one queue, if it is there, or of all.
func (c *chaos) drop(_ context.Context, port uint16) {
	queue := c.random.IntN(4) - 1
	if c.target.Drop(port, queue) != nil {
		c.must(c.target.Drop(port, target.AllQueues))
	}
}

func (c *chaos) ana(ctx context.Context, port uint16) {
	states := []nvme.ANAState{nvme.ANANonOptimized, nvme.ANAInaccessible, nvme.ANAChange, nvme.ANAPersistentLoss}
	c.must(c.target.SetANA(port, 1, states[c.random.IntN(len(states))]))
	c.moment(ctx, 30*time.Millisecond)
	c.must(c.target.SetANA(port, 1, nvme.ANAOptimized))
}

// blackHole silences one queue or the port. When that ends, what was sent before
// arrives, unless the target has ended the connection meanwhile.
func (c *chaos) blackHole(ctx context.Context, port uint16) {
	queue := c.random.IntN(4) - 1
	if c.target.BlackHole(port, queue) != nil {
		queue = target.AllQueues
		c.must(c.target.BlackHole(port, queue))
	}
	c.moment(ctx, time.Second)
	c.must(c.target.Restore(port, target.AllQueues))
}

// late has writes take effect when their connection has long ended.
func (c *chaos) late(ctx context.Context, port uint16) {
	hold := target.Duration(c.random.Int64N(int64(rigQuiesce / 4)))
	fault := c.inject(target.Fault{Port: port, Commands: target.AnyIO, Count: 1 + c.random.Int64N(4), Hold: &hold})
	c.moment(ctx, 20*time.Millisecond)
	c.must(c.target.Drop(port, target.AllQueues))
	c.must(c.target.Clear(fault))
	if c.random.IntN(2) == 0 {
		// While it is waited for, the blocks are written again, if they can be.
		c.moment(ctx, time.Duration(hold))
	}
}

func (c *chaos) status(_ context.Context, port uint16) {
	codes := []nvme.Status{nvme.StatusANAInaccessible, nvme.StatusANATransition, nvme.StatusInternalPathError, nvme.StatusInternalError, nvme.StatusNamespaceNotReady}
	c.inject(target.Fault{Port: port, Commands: target.AnyIO, Count: 1 + c.random.Int64N(4), Status: codes[c.random.IntN(len(codes))]})
}

// calm ends all faults, and waits until no write is held any more.
func (c *chaos) calm() {
	c.must(c.target.Clear(0))
	c.until("the late writes", func() bool { held, applied := c.target.LateWrites(); return held == applied })
}

// report says what was done.
func (c *chaos) report() {
	held, _ := c.target.LateWrites()
	var failovers uint64
	for _, p := range c.h.Paths() {
		failovers += p.Counters()[nvme.Failovers]
	}
	c.Logf("%d operations, faults %v, %d late writes, %d failovers, head %v", c.m.ops.Load(), c.made, held, failovers, c.h.Counters())
}
