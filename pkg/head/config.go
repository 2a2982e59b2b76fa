package head

import (
	"fmt"
	"time"

	"github.com/braid-csi/braid/pkg/host"
	"github.com/braid-csi/braid/pkg/nvme"
)

// Config describes a subsystem as a host uses it.
type Config struct {
	// Host is how controllers are connected. Its address and notifications are
	// set here.
	Host host.Config
	// IOPolicy is numa if it is empty, as in Linux.
	IOPolicy nvme.IOPolicy
	// NoPathTimeout is how long a request waits for a usable path; 0: for as
	// long as a path may become usable, as in Linux.
	NoPathTimeout time.Duration
	InDoubt       InDoubtConfig
}

// InDoubtConfig is what becomes of writes to blocks that a lost write may still
// change.
type InDoubtConfig struct {
	// Window replaces how long a lost write may take effect, counted from when
	// it was lost; 0: as the controller and its keep-alive say.
	Window time.Duration
	// HoldRetries makes even the lost write itself wait until then. It is for
	// volumes that other hosts write too: they do not know what is in doubt here.
	HoldRetries bool
	// Ignore holds nothing back, like Linux. A late write then can replace newer
	// data.
	Ignore bool
}

// Validate fills in what was left at its default and checks the rest. The error
// names the field.
func (c *Config) Validate() error {
	switch c.IOPolicy {
	case "":
		c.IOPolicy = nvme.IOPolicyNUMA
	case nvme.IOPolicyNUMA, nvme.IOPolicyRoundRobin, nvme.IOPolicyQueueDepth:
	default:
		return fmt.Errorf("ioPolicy: %q is none", c.IOPolicy)
	}
	if c.NoPathTimeout < 0 {
		return fmt.Errorf("noPathTimeout: %s is negative", c.NoPathTimeout)
	}
	if c.InDoubt.Window < 0 {
		return fmt.Errorf("inDoubt.window: %s is negative", c.InDoubt.Window)
	}
	return nil
}
