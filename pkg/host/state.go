package host

import (
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
)

// condition is what others see of a controller at once.
type condition struct {
	state     nvme.ControllerState
	available bool
}

// setState changes the state and tells of it. Connecting arms fast_io_fail
// after a reset only, as in Linux.
func (c *Controller) setState(s nvme.ControllerState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.condition.Load()
	now := condition{state: s, available: s == nvme.StateLive || s == nvme.StateResetting || s == nvme.StateConnecting}
	if c.failFast != nil {
		c.failFast.Stop()
		c.failFast = nil
	}
	if s == nvme.StateConnecting && was.state == nvme.StateResetting && c.cfg.FastIOFail > 0 {
		c.failFast = time.AfterFunc(c.cfg.FastIOFail, c.failNow)
	}
	c.condition.Store(&now)
	c.notifier.add(notification{kind: stateChanged, state: s})
	c.log.V(1).Info("Controller changed its state", "from", was.state, "to", s)
}

// failNow is called when fast_io_fail has passed.
func (c *Controller) failNow() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.condition.Load().state; s == nvme.StateConnecting {
		c.condition.Store(&condition{state: s})
		c.notifier.add(notification{kind: stateChanged, state: s})
		c.log.Info("Controller is not waited for any more, it goes on reconnecting", "after", c.cfg.FastIOFail)
	}
}
