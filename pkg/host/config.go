package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// Config describes a controller: where it is, who we are, how patient we are.
// Names in brackets are those of the options of /dev/nvme-fabrics.
type Config struct {
	// Address is where the controller is. HostTrAddr and HostIface bind its
	// connections.
	Address      nvme.TransportID
	SubsystemNQN nvme.NQN
	HostNQN      nvme.NQN
	HostID       [16]byte

	// IOQueues is how many I/O queues to have (nr_io_queues), 1 if 0. The
	// controller may give fewer.
	IOQueues int
	// QueueSize is the number of entries of an I/O queue (queue_size), 128 if 0.
	// One command fewer can be outstanding; others wait for their turn.
	QueueSize int
	Digests   nvmetcp.Digests

	// KeepAlive is KATO (keep_alive_tmo), 5 s if 0.
	KeepAlive time.Duration
	// QuiesceTime is a least CQT, for targets that need time to stop commands
	// and do not say so.
	QuiesceTime time.Duration
	// DisableStopsIO says that the target has stopped all commands for certain
	// when it says that the controller is disabled or shut down, as the
	// specification wants it. Then a controller that is lost is disabled first,
	// if its admin queue still works, and no write of it remains in doubt. It is
	// off by default, for Linux' target does not wait for its back end there
	// (drivers/nvme/target/core.c, nvmet_clear_ctrl).
	DisableStopsIO bool

	// ReconnectDelay is the longest time between two attempts to reconnect
	// (reconnect_delay), 10 s if 0. The first comes sooner.
	ReconnectDelay time.Duration
	// ControllerLossTimeout is for how long to try to reconnect before the
	// controller is given up (ctrl_loss_tmo), 10 min if 0; negative: for ever.
	ControllerLossTimeout time.Duration
	// ReconnectAfterDNR goes on reconnecting when the target refuses it for good
	// (DNR), which otherwise ends the controller, as in Linux 6.12. Targets
	// do that while a subsystem moves or restarts.
	ReconnectAfterDNR bool
	// FastIOFail is how long after a loss the controller counts as available
	// (fast_io_fail_tmo); 0: for as long as it tries to reconnect.
	FastIOFail time.Duration
	// IOTimeout is how long an I/O command may take before it is aborted, 30 s
	// if 0, and another such time before the controller is reset.
	IOTimeout time.Duration
	// AdminTimeout is how long an admin command may take before the controller
	// is reset, and how long it may take to open a connection, 10 s if 0.
	AdminTimeout time.Duration

	// Dial opens a connection; nil is TCP.
	Dial func(ctx context.Context, address nvme.TransportID) (net.Conn, error)

	// BeforeLive is called in each association, the first too, when its queues
	// are there and before the controller is live: I/O does not start before it
	// returns. Admin commands work in it. It is where to read the ANA log, and
	// to look whether the namespaces are those of before. An error is as if the
	// controller had not connected. The context ends with the association.
	BeforeLive func(ctx context.Context, c *Controller) error

	// The notifications are called one after the other, in order, without
	// locks held, on a goroutine that is theirs alone. Any may be nil. They may
	// wait for commands, but whatever they wait for delays the next of them.
	// They must not call Close.

	// StateChanged is called after each change of State or Available.
	StateChanged func(nvme.ControllerState)
	// ANAChanged is called when the ANA log may have changed: the log is to be
	// read (ANALog), or no other change will be told.
	ANAChanged func()
	// NamespacesChanged is called when namespaces have come, gone or changed.
	NamespacesChanged func()
}

// What a Config is filled in with.
const (
	defaultKeepAlive      = 5 * time.Second
	defaultReconnectDelay = 10 * time.Second
	defaultLossTimeout    = 10 * time.Minute
	defaultIOTimeout      = 30 * time.Second
	defaultAdminTimeout   = 10 * time.Second
	defaultQueueSize      = 128
	maxQueues             = 1024
	// leastTimeout bounds how often timeouts are looked for.
	leastTimeout = 10 * time.Millisecond
)

// Validate fills in what was left at its default and checks the rest. The error
// names the field.
func (c *Config) Validate() error {
	setDefault(&c.IOQueues, 1)
	setDefault(&c.QueueSize, defaultQueueSize)
	setDefault(&c.KeepAlive, defaultKeepAlive)
	setDefault(&c.ReconnectDelay, defaultReconnectDelay)
	setDefault(&c.ControllerLossTimeout, defaultLossTimeout)
	setDefault(&c.IOTimeout, defaultIOTimeout)
	setDefault(&c.AdminTimeout, defaultAdminTimeout)
	if c.Dial == nil {
		c.Dial = dialTCP
	}
	if _, err := netip.ParseAddrPort(c.Address.Address()); err != nil || c.Address.Transport != nvme.TransportTCP {
		return fmt.Errorf("address: %s is not an address of NVMe over TCP", c.Address)
	}
	for _, n := range []struct {
		field string
		nqn   nvme.NQN
	}{{"subsystemNQN", c.SubsystemNQN}, {"hostNQN", c.HostNQN}} {
		if _, err := nvme.ParseNQN(string(n.nqn)); err != nil {
			return fmt.Errorf("%s: %w", n.field, err)
		}
	}
	if c.HostID == [16]byte{} {
		return errors.New("hostID: is all zeros")
	}
	return c.checkNumbers()
}

func (c *Config) checkNumbers() error {
	for _, d := range []struct {
		field string
		value time.Duration
		least time.Duration
	}{
		{"keepAlive", c.KeepAlive, time.Millisecond}, {"reconnectDelay", c.ReconnectDelay, time.Millisecond},
		{"ioTimeout", c.IOTimeout, leastTimeout}, {"adminTimeout", c.AdminTimeout, leastTimeout},
		{"fastIOFail", c.FastIOFail, 0}, {"quiesceTime", c.QuiesceTime, 0},
	} {
		if d.value < d.least {
			return fmt.Errorf("%s: %s is less than %s", d.field, d.value, d.least)
		}
	}
	switch {
	case c.KeepAlive.Milliseconds() > 1<<32-1:
		return fmt.Errorf("keepAlive: %s is too long", c.KeepAlive)
	case c.IOQueues < 1 || c.IOQueues > maxQueues:
		return fmt.Errorf("ioQueues: %d is not between 1 and %d", c.IOQueues, maxQueues)
	case c.QueueSize < 2 || c.QueueSize > maxSlots:
		return fmt.Errorf("queueSize: %d is not between 2 and %d", c.QueueSize, maxSlots)
	case c.Digests&^(nvmetcp.HeaderDigest|nvmetcp.DataDigest) != 0:
		return fmt.Errorf("digests: 0x%02x", uint8(c.Digests))
	}
	return nil
}

func setDefault[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}
