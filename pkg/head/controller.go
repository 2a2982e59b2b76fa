package head

import (
	"context"
	"sync/atomic"
	"time"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/host"
	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// Controller is a controller of a subsystem, and what it says of namespaces:
//
//	            a new association,
//	            or a queue was gone                all paths are pending:
//	verified --------------------------> unknown   they are not used
//	  |   ^                                |
//	  |   |     the ANA log was read and   |
//	  |   |     the namespaces identified  |
//	  |   +--------------------------------+
//	  |   |
//	  |   +--- the log was read, no other error since ---+
//	  |                                                  |
//	  +--- an I/O command got an ANA error --------> one path is pending
type Controller struct {
	subsystem *Subsystem
	address   nvme.TransportID
	node      int
	device    device
	inFlight  atomic.Int64
	look      chan struct{} // a poke for watch
	ctx       context.Context
	stop      context.CancelFunc

	// Guarded by the lock of the subsystem.
	generation uint64 // of what is known: what was read before it changed is void
	verified   bool   // this association has been inspected
	scan       bool   // namespaces are to be identified
	found      map[uint32]host.Namespace
	paths      map[uint32]*Path // by NSID
	refused    map[uint32]error
	ana        map[uint32]nvme.ANAState // by NSID
	changing   map[uint32]time.Time     // since when a group is in change
}

// retryInspection is how soon to ask a live controller again that did not tell
// what it should.
const retryInspection = time.Second

func newController(s *Subsystem, address nvme.TransportID, node int) *Controller {
	c := &Controller{
		subsystem: s, address: address, node: node, look: make(chan struct{}, 1), scan: true,
		paths: map[uint32]*Path{}, refused: map[uint32]error{}, changing: map[uint32]time.Time{},
	}
	c.ctx, c.stop = context.WithCancel(s.ctx)
	return c
}

// lookAgain makes watch read the ANA log.
func (c *Controller) lookAgain() {
	select {
	case c.look <- struct{}{}:
	default:
	}
}

// scanAgain makes watch identify the namespaces.
func (c *Controller) scanAgain() {
	c.subsystem.mu.Lock()
	c.scan = true
	c.subsystem.mu.Unlock()
	c.lookAgain()
}

// beforeLive looks at the controller in each new association, before I/O can
// use it. Without an answer there is no association.
func (c *Controller) beforeLive(ctx context.Context, d device) error {
	c.subsystem.mu.Lock()
	if c.device == nil {
		c.device = d
	}
	c.distrust()
	c.subsystem.mu.Unlock()
	return c.inspect(ctx, true)
}

// distrust makes everything pending. The lock of the subsystem is held.
func (c *Controller) distrust() {
	c.generation++
	c.verified, c.scan = false, true
	clear(c.changing)
	for _, p := range c.paths {
		p.pending = true
	}
	c.refresh()
}

// stateChanged follows the state of the controller.
func (c *Controller) stateChanged(nvme.ControllerState) {
	s := c.subsystem
	s.mu.Lock()
	c.refresh()
	s.mu.Unlock()
	for _, h := range s.opened() {
		h.kick() // there may be a path, or none any more
	}
	c.lookAgain()
}

// refresh works out the ranks of all paths anew. The lock of the subsystem is
// held.
func (c *Controller) refresh() {
	for _, p := range c.paths {
		p.refresh()
	}
}

// suspect is told that a request on a path failed over.
func (c *Controller) suspect(p *Path, s nvme.Status) {
	c.subsystem.mu.Lock()
	defer c.subsystem.mu.Unlock()
	switch {
	case s.ANAError() && c.hasANA():
		c.generation++
		p.pending = true
		p.refresh()
		c.lookAgain()
	case s.Code() == nvme.StatusHostPathError:
		// A queue is gone, and its controller may read live for a moment yet. The
		// request must not come back at once, again and again.
		c.distrust()
		c.lookAgain()
	default:
		c.refresh() // its state has changed before we are told
	}
}

func (c *Controller) hasANA() bool { return c.device.Identify().MultiPath&nvmetcp.CMICANA != 0 }

// watch keeps what is known of the controller up to date until it is removed.
func (c *Controller) watch() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-c.look:
		case <-timer.C:
		}
		timer.Stop()
		if again := c.attend(); again > 0 {
			timer.Reset(again)
		}
	}
}

// attend inspects the controller if it is live, and returns when to do that
// again without being poked, 0 for never.
func (c *Controller) attend() time.Duration {
	if c.device.State() != nvme.StateLive {
		return 0
	}
	if err := c.inspect(c.ctx, false); err != nil {
		klog.FromContext(c.ctx).Error(err, "Inspecting a controller", "address", c.address)
		return retryInspection
	}
	if c.unfinished() {
		return retryInspection
	}
	group, left := c.overdue()
	if group != 0 && left <= 0 {
		klog.FromContext(c.ctx).Info("An ANA group is in transition for too long, resetting the controller", "address", c.address, "group", group)
		c.device.Reset()
		return 0
	}
	return left
}

// unfinished tells whether some namespace could not be identified.
func (c *Controller) unfinished() bool {
	c.subsystem.mu.Lock()
	defer c.subsystem.mu.Unlock()
	return c.scan
}

// Address is where the controller is.
func (c *Controller) Address() nvme.TransportID { return c.address }

// State is the state of the controller.
func (c *Controller) State() nvme.ControllerState { return c.device.State() }

// Reset makes the controller connect anew. It does not wait.
func (c *Controller) Reset() { c.device.Reset() }

// Counters are those of the controller: nvme.AdminErrors, nvme.Resets,
// nvme.Reconnects.
func (c *Controller) Counters() nvme.Counters { return c.device.Counters() }

// SetCounter sets a counter of the controller.
func (c *Controller) SetCounter(name nvme.Counter, value uint64) error {
	return c.device.SetCounter(name, value)
}
