package native

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/faultpoint"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/native/sockdiag"
	"github.com/braid-csi/braid/pkg/nvme"
)

// Options are the engine's surroundings, all of them values so that tests can
// give it a captured tree. Empty fields take the real ones.
type Options struct {
	SysFS    string // /sys
	Proc     string // /proc
	Dev      string // /dev
	Etc      string // /etc/nvme: the node's host NQN and host ID
	Registry string // /run/nvme/registry
	// State is where a host identity of Braid's own making is kept.
	State string
	// NodeUID returns what such an identity is derived from. It is asked once,
	// and only where the node has none; random where nil or where it returns "".
	NodeUID func(context.Context) (string, error)
	// Child is the command that calls ChildMain.
	Child []string
	// Failovers begins to count failovers beside the kernel's attributes; nil
	// leaves it to those.
	Failovers func() (FailoverCounter, error)
	// Retries and Errors do the same for requests that are sent again, and for
	// those that end with an error, once Failovers counts.
	Retries func() (KernelCounter, error)
	Errors  func() (KernelCounter, error)
	// Resets does the same for the resets of controllers, where the kernel does
	// not count them.
	Resets func() (KernelCounter, error)
	// Sockets returns this host's TCP connections to a service, and EndSocket ends
	// one (package sockdiag).
	Sockets   func(sockdiag.Service) ([]sockdiag.Socket, error)
	EndSocket func(sockdiag.Socket) error
	Clock     func() time.Time
}

// Engine drives the kernel's native NVMe multipathing. It is safe for
// concurrent use.
type Engine struct {
	attr     *attributes
	registry registry
	dev      string
	proc     string
	fabrics  string
	etc      string
	state    string
	nodeUID  func(context.Context) (string, error)
	bootID   string
	child    []string
	clock    func() time.Time

	failovers failovers
	resets    resets
	looking   looking
	sockets   sockets
	stalls    stalls

	writes writes

	hostMu sync.Mutex // guards host, which the first Connect decides
	host   Host
}

// New returns an engine. It reads the boot ID and touches nothing else.
func New(o Options) (*Engine, error) {
	set := func(s *string, value string) {
		if *s == "" {
			*s = value
		}
	}
	set(&o.SysFS, "/sys")
	set(&o.Proc, "/proc")
	set(&o.Dev, "/dev")
	set(&o.Etc, "/etc/nvme")
	set(&o.Registry, "/run/nvme/registry")
	set(&o.State, "/var/lib/braid")
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Sockets == nil {
		o.Sockets = sockdiag.To
	}
	if o.EndSocket == nil {
		o.EndSocket = sockdiag.Destroy
	}
	bootID, err := readBootID(o.Proc)
	if err != nil {
		return nil, err
	}
	return &Engine{
		attr: newAttributes(o.SysFS), registry: registry{o.Registry},
		dev: o.Dev, proc: o.Proc, fabrics: filepath.Join(o.Dev, "nvme-fabrics"), etc: o.Etc,
		state: o.State, nodeUID: o.NodeUID, bootID: bootID,
		child: o.Child, clock: o.Clock, resets: resets{attach: o.Resets},
		failovers: failovers{
			attach: o.Failovers, began: make(chan runningCount, 1),
			requests: requestCounts{{counter: nvme.Retries, attach: o.Retries}, {counter: nvme.Errors, attach: o.Errors}},
		},
		sockets: sockets{o.Sockets, o.EndSocket},
	}, nil
}

// BootID identifies this boot of the node: what was connected in another one
// is gone.
func (e *Engine) BootID() string { return e.bootID }

// Close closes the files that the scans keep open, and stops counting.
func (e *Engine) Close() {
	e.attr.close()
	e.failovers.close()
	e.resets.close()
}

// Prepare makes sure that the node can connect NVMe/TCP controllers with
// native multipathing: it loads the module where it is not there, and says
// ErrUnsupported where the kernel was told to leave paths alone.
func (e *Engine) Prepare(ctx context.Context) error {
	_, tcp := os.Stat(filepath.Join(e.attr.root, "module", "nvme_tcp"))
	_, fabrics := os.Stat(e.fabrics)
	if tcp != nil || fabrics != nil {
		faultpoint.Before("load", "nvme-tcp")
		// A failure is not fatal where the transport is built in.
		if out, err := exec.CommandContext(ctx, "modprobe", "nvme-tcp").CombinedOutput(); err != nil && fabrics != nil {
			return fmt.Errorf("%w: kernel module nvme-tcp: %w: %s", multipath.ErrUnsupported, err, out)
		} else if err != nil {
			klog.FromContext(ctx).Info("Could not load nvme-tcp; trusting that it is built in", "err", err, "output", string(out))
		}
	}
	on, err := e.attr.read("module", "nvme_core", "parameters", "multipath")
	switch {
	case errors.Is(err, errGone):
		return fmt.Errorf("%w: this kernel has no native NVMe multipathing", multipath.ErrUnsupported)
	case err != nil:
		return err
	case on != "Y":
		return fmt.Errorf("%w: native NVMe multipathing is off (kernel parameter nvme_core.multipath=%s)", multipath.ErrUnsupported, on)
	}
	// Before anything is connected: what fails over counts from the first request.
	e.failovers.begin(ctx, e.attr.root)
	return nil
}

// Adopt signs a controller as Braid's that an earlier run of Braid connected
// and could not sign any more.
func (e *Engine) Adopt(c multipath.Controller) error { return e.registry.claim(c.Name, c.Epoch) }

// SetIOPolicy sets how the heads of a subsystem choose among paths.
func (e *Engine) SetIOPolicy(subsystem string, p nvme.IOPolicy) error {
	return e.attr.write(string(p), subsystemClass, subsystem, "iopolicy")
}

// Rescan asks the kernel to read a controller's namespaces anew; it answers
// before that is done.
func (e *Engine) Rescan(controller string) error {
	return ignoreGone(e.attr.write("1", controllerClass, controller, "rescan_controller"))
}

// Tune gives a controller that was connected by somebody else, udev's
// autoconnect for instance, the timeouts that the volume asks for.
func (e *Engine) Tune(controller string, o multipath.ConnectOptions) error {
	for _, a := range []struct{ name, value string }{
		{"reconnect_delay", seconds(o.ReconnectDelay)},
		// After the delay: the number of attempts is their quotient.
		{"ctrl_loss_tmo", seconds(o.ControllerLossTimeout)},
		{"fast_io_fail_tmo", seconds(o.FastIOFailTimeout)},
	} {
		if err := e.attr.write(a.value, controllerClass, controller, a.name); err != nil && !errors.Is(err, errGone) {
			return fmt.Errorf("%s: %w", controller, err)
		}
	}
	return nil
}

// ResetCounters zeroes the counters of a head and of all its paths. The
// controllers' are left alone: other volumes count with them.
func (e *Engine) ResetCounters(subsystem string, h multipath.Head) error {
	for _, p := range h.Paths {
		if err := e.attr.zero(filepath.Join(controllerClass, p.Controller, p.Name), pathCounters); err != nil {
			return fmt.Errorf("reset the counters of %s: %w", p.Name, err)
		}
	}
	if err := e.attr.zero(filepath.Join(subsystemClass, subsystem, h.Name), headCounters); err != nil {
		return fmt.Errorf("reset the counters of %s: %w", h.Name, err)
	}
	return nil
}

func ignoreGone(err error) error {
	if errors.Is(err, errGone) {
		return nil
	}
	return err
}
