package host

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

var (
	// errReset ends an association because somebody wants a new one.
	errReset = errors.New("reset was asked for")
	// errEnded is for whoever comes too late.
	errEnded = errors.New("the association has ended")
)

// disableTimeout is how long a controller may take to stop before its commands
// are taken back all the same, for another path waits for them.
const disableTimeout = time.Second

// firstDelay is how long to wait before the first attempt to reconnect. Each
// takes twice as long as the one before, up to the reconnect delay.
const firstDelay = 100 * time.Millisecond

// run is the life of a controller that has connected, until it is dead.
func (c *Controller) run(ctx context.Context, a *association) {
	for a != nil {
		select {
		case <-a.ended:
			a = c.renew(ctx, a)
		case <-ctx.Done():
			c.shutDown(a)
			a = nil
		}
	}
	c.setState(nvme.StateDead)
}

// bringUp makes an association and has it looked at by the owner. Only begin is
// left to be done.
func (c *Controller) bringUp(ctx context.Context) (*association, error) {
	a, err := associate(ctx, &c.cfg, c.cfg.IOQueues, &c.adminErrors)
	if err != nil {
		return nil, err
	}
	c.last.Store(a)
	c.up.Store(a)
	a.serve(c.notifier.add)
	if c.cfg.BeforeLive == nil {
		return a, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a.running.Go(func() {
		select {
		case <-a.ended:
			cancel()
		case <-ctx.Done():
		}
	})
	if err := c.cfg.BeforeLive(ctx, c); err != nil {
		a.fail(err)
		c.end(a, true) // it had no I/O
		return nil, err
	}
	return a, nil
}

// begin makes an association the controller's.
func (c *Controller) begin(a *association) {
	c.since = time.Now()
	c.current.Store(a)
	c.setState(nvme.StateLive)
}

// renew takes an association apart that has ended, and returns the next, nil if
// there is to be none.
func (c *Controller) renew(ctx context.Context, a *association) *association {
	lasted := time.Since(c.since)
	c.log.Info("Controller lost its association", "err", a.err, "lasted", lasted)
	c.resets.Add(1)
	c.setState(nvme.StateResetting)
	c.current.Store(nil)
	c.end(a, c.cfg.DisableStopsIO && a.halt(ctx, disableTimeout, disabled, nvmetcp.ControllerReady, 0) == nil)
	if lasted >= c.cfg.ReconnectDelay {
		c.attempts = 0
	}
	c.setState(nvme.StateConnecting)
	next := c.reconnect(ctx, errors.Is(a.err, errReset))
	if next == nil {
		c.setState(nvme.StateDeleting)
	} else {
		c.begin(next)
	}
	return next
}

// shutDown ends a live controller for good.
func (c *Controller) shutDown(a *association) {
	c.setState(nvme.StateDeleting)
	c.current.Store(nil)
	err := a.halt(c.closeCtx, c.cfg.AdminTimeout, nvmetcp.ShutdownConfiguration, nvmetcp.ControllerShutdown, nvmetcp.ControllerShutdown)
	if err != nil {
		c.closeErr = fmt.Errorf("shutting the controller at %s down: %w", c.cfg.Address, err)
	}
	c.end(a, c.cfg.DisableStopsIO && err == nil)
}

// end takes an association apart. stopped says that its controller has stopped
// for certain.
func (c *Controller) end(a *association, stopped bool) {
	c.up.Store(nil)
	a.stop()
	var until time.Time
	if !stopped {
		until = time.Now().Add(inDoubt(&c.cfg, &a.id))
	}
	a.giveBack(until)
}

// reconnect tries to connect again until it succeeds, the time is over, the
// target says never, or the controller is closed. Like Linux, it counts attempts
// but not the first one of a reset.
func (c *Controller) reconnect(ctx context.Context, now bool) *association {
	lost := time.Now()
	for ; ; now = false {
		if !now {
			if !c.pause(ctx, lost) {
				return nil
			}
			c.reconnects.Add(1)
		}
		a, err := c.bringUp(ctx)
		if err == nil {
			c.log.Info("Controller reconnected", "after", time.Since(lost))
			return a
		}
		refused, _ := errors.AsType[*StatusError](err)
		switch {
		case ctx.Err() != nil:
			return nil
		case refused != nil && refused.Status.DoNotRetry() && !c.cfg.ReconnectAfterDNR:
			c.log.Error(err, "Controller is given up: the target refuses it for good")
			return nil
		}
		c.log.Info("Controller did not reconnect", "err", err, "attempt", c.attempts)
	}
}

// pause waits before an attempt. It returns false when there is none to be.
func (c *Controller) pause(ctx context.Context, lost time.Time) bool {
	delay := backOff(c.attempts, c.cfg.ReconnectDelay, rand.Float64())
	c.attempts++
	if c.cfg.ControllerLossTimeout >= 0 {
		left := c.cfg.ControllerLossTimeout - time.Since(lost)
		if left <= 0 {
			c.log.Error(nil, "Controller is given up: it did not come back in time", "timeout", c.cfg.ControllerLossTimeout)
			return false
		}
		delay = min(delay, left)
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// backOff is how long to wait before an attempt, the first being 0: between half
// of a delay and all of it, as random says, for a target that comes back is not
// to meet all its hosts at once.
func backOff(attempt int, longest time.Duration, random float64) time.Duration {
	delay := longest
	if attempt < 32 {
		delay = min(delay, firstDelay<<attempt)
	}
	return delay/2 + time.Duration(random*float64(delay/2))
}
