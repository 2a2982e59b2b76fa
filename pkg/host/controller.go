package host

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// Controller is an NVMe/TCP controller as the host sees it: one association
// with one address of a subsystem, which it loses and makes again until it is
// closed or given up. All methods may be called at any time, by anybody.
type Controller struct {
	cfg      Config
	log      klog.Logger
	notifier notifier
	refused  refusals
	// last is the last association, up the same while it takes admin commands,
	// and current while it takes I/O too.
	last, up, current atomic.Pointer[association]
	condition         atomic.Pointer[condition]
	adminTurns        chan struct{}

	adminErrors, resets, reconnects atomic.Uint64

	closing  sync.Once
	cancel   context.CancelFunc
	dead     chan struct{}   // closed when it is dead and the owner knows
	closeCtx context.Context // of Close; set before cancel
	closeErr error
	// Of run: since when the association is live, and attempts to reconnect
	// since one lasted.
	since    time.Time
	attempts int

	mu       sync.Mutex // guards changes of condition
	failFast *time.Timer
}

// Connect connects a controller. That it cannot be connected now is an error,
// and leaves nothing behind; of type *StatusError where the target refuses.
// Later losses are the Controller's to repair. The context bounds the first
// connect, and its logger is used as long as the Controller lives.
func Connect(ctx context.Context, cfg Config) (*Controller, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Controller{cfg: cfg, dead: make(chan struct{}), adminTurns: make(chan struct{}, maxAdminTurns)}
	c.log = klog.FromContext(ctx).WithValues("address", cfg.Address, "subsystem", cfg.SubsystemNQN)
	ctx = klog.NewContext(ctx, c.log)
	c.notifier = notifier{cfg: &c.cfg, wake: make(chan struct{}, 1)}
	c.condition.Store(&condition{state: nvme.StateNew})
	c.setState(nvme.StateConnecting)
	a, err := c.bringUp(ctx)
	if err != nil {
		return nil, fmt.Errorf("connecting %s to %s: %w", cfg.Address, cfg.SubsystemNQN, err)
	}
	c.begin(a)
	ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(c.dead)
		var owner sync.WaitGroup
		owner.Go(c.notifier.run)
		c.run(ctx, a)
		owner.Wait()
	}()
	return c, nil
}

// Config is the configuration, with all defaults filled in.
func (c *Controller) Config() Config { return c.cfg }

// Submit starts an I/O command on a queue: hint modulo the number of queues. It
// never waits for the network, and never calls Done itself. Without a live
// queue the request ends with nvme.StatusHostPathError.
func (c *Controller) Submit(r *Request, hint uint) {
	r.InDoubtUntil = time.Time{}
	a := c.current.Load()
	switch {
	case a == nil:
		c.refused.add(r, nvme.StatusHostPathError)
	case len(r.Data) > math.MaxInt32:
		c.refused.add(r, nvme.StatusInvalidField|nvme.DNR)
	case !a.io[hint%uint(len(a.io))].submit(r):
		c.refused.add(r, nvme.StatusHostPathError)
	}
}

// State is the state of the controller; nvme.StateDead is final.
func (c *Controller) State() nvme.ControllerState { return c.condition.Load().state }

// Available tells whether I/O can go to the controller, now or when it has
// reconnected: it is live, or it is resetting or connecting and FastIOFail has
// not passed (drivers/nvme/host/multipath.c, nvme_available_path).
func (c *Controller) Available() bool { return c.condition.Load().available }

// Reset ends the association and makes another one. It does not wait. Only a
// live controller can be reset; on others it does nothing.
func (c *Controller) Reset() {
	if a := c.current.Load(); a != nil {
		a.fail(errReset)
	}
}

// Close shuts the controller down and returns when it is dead and every request
// is done. What the target does not answer until the context ends, but at most
// for the admin timeout, is not waited for.
func (c *Controller) Close(ctx context.Context) error {
	c.closing.Do(func() {
		c.closeCtx = ctx
		c.cancel()
	})
	<-c.dead
	return c.closeErr
}

// Identify is the identify data of the last association.
func (c *Controller) Identify() nvmetcp.IdentifyController { return c.last.Load().id }

// Queues is how many I/O queues the last association had.
func (c *Controller) Queues() int { return len(c.last.Load().io) }

// MaxTransfer is the most data that one command can have, in bytes (MDTS).
func (c *Controller) MaxTransfer() int { return c.last.Load().maxTransfer() }

// InDoubt is how long after the end of its association a command that was not
// answered can still take effect.
func (c *Controller) InDoubt() time.Duration { return inDoubt(&c.cfg, &c.last.Load().id) }

// Counters are the controller's event counters, with the meaning that they have
// in Linux 7.2: nvme.AdminErrors, the admin commands that the controller has
// answered with an error; nvme.Resets, how often it left the state live but for
// Close; nvme.Reconnects, attempts to connect again after a loss.
func (c *Controller) Counters() nvme.Counters {
	values := nvme.Counters{}
	for name, v := range c.counters() {
		values[name] = v.Load()
	}
	return values
}

// SetCounter sets a counter. That there is no such counter is an error.
func (c *Controller) SetCounter(name nvme.Counter, value uint64) error {
	v := c.counters()[name]
	if v == nil {
		return fmt.Errorf("a controller has no counter %q", name)
	}
	v.Store(value)
	return nil
}

func (c *Controller) counters() map[nvme.Counter]*atomic.Uint64 {
	return map[nvme.Counter]*atomic.Uint64{
		nvme.AdminErrors: &c.adminErrors, nvme.Resets: &c.resets, nvme.Reconnects: &c.reconnects,
	}
}

// StatusError is a command that ended with a status other than success.
type StatusError struct {
	// What was to be done, for people.
	What   string
	Status nvme.Status
}

func (e *StatusError) Error() string { return e.What + ": " + e.Status.String() }
