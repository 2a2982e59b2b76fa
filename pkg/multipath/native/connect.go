package native

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/nvme"
)

const (
	// dialTimeout bounds the test connection that comes before the kernel's.
	dialTimeout = 3 * time.Second
	// goneTimeout is for how long a deleted controller may linger in sysfs.
	goneTimeout = 30 * time.Second
)

// Connect makes one controller and returns its name. The address is dialled
// first, because the kernel connects one controller at a time on the whole
// node and a dead address would hold all others up. ctx bounds the dial. Once
// the kernel has begun, Connect returns when the kernel does, which may take
// minutes: a caller that cannot wait calls it from a goroutine of its own.
func (e *Engine) Connect(ctx context.Context, nqn nvme.NQN, to nvme.TransportID, o multipath.ConnectOptions) (string, error) {
	if err := e.dial(ctx, to); err != nil {
		return "", err
	}
	host, err := e.Host(ctx)
	if err != nil {
		return "", err
	}
	options, err := fabricsOptions(host, nqn, to, o)
	if err != nil {
		return "", err
	}
	done, err := e.start(job{Connect: options})
	if err != nil {
		return "", err
	}
	r := <-done
	if err := r.err(); err != nil {
		return "", explain(err)
	}
	return r.Controller, nil
}

// dial proves that somebody listens at the address.
func (e *Engine) dial(ctx context.Context, to nvme.TransportID) error {
	d := net.Dialer{Timeout: dialTimeout}
	if to.HostTrAddr != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(to.HostTrAddr)}
	}
	if to.HostIface != "" {
		d.Control = func(_, _ string, c syscall.RawConn) error {
			var bindErr error
			if err := c.Control(func(fd uintptr) { bindErr = unix.BindToDevice(int(fd), to.HostIface) }); err != nil {
				return err
			}
			return bindErr
		}
	}
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(to.TrAddr, to.TrSvcID))
	if err != nil {
		return fmt.Errorf("dial: %w", reason(err))
	}
	return conn.Close()
}

// reason strips from a dial error what its reader knows: the address.
func reason(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		err = op.Err
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

// explain says what the kernel's bare error numbers mean for a connect
// (Linux drivers/nvme/host/fabrics.c, nvmf_connect_*_queue).
func explain(err error) error {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return err
	}
	meaning := map[syscall.Errno]string{
		unix.EALREADY:     "already connected",
		unix.ECONNREFUSED: "the target refused the connection or the authentication",
		unix.EIO:          "the target refused the host or has no such subsystem",
		unix.EINVAL:       "the kernel refused an option, knows this host name with another host ID, or has another controller of that ID",
		unix.EKEYREJECTED: "the target rejected the host's key",
		unix.ENOKEY:       "a key is missing",
	}[errno]
	if meaning == "" {
		return err
	}
	return fmt.Errorf("%s: %w", meaning, errno)
}

// Disconnect takes one controller down and waits until it is gone from sysfs.
// If ctx ends first the kernel goes on with it.
func (e *Engine) Disconnect(ctx context.Context, c multipath.Controller) error {
	d, err := e.delete(c)
	if err != nil {
		return err
	}
	if err := d.wait(ctx); err != nil {
		return err
	}
	if err := e.awaitGone(ctx, c); err != nil {
		return err
	}
	return errors.Join(e.registry.forget(c.Name, c.Epoch), e.Sweep())
}

// Sweep removes Braid's entries of controllers that are gone.
func (e *Engine) Sweep() error { return e.registry.sweep(e.exists) }

// exists tells whether there is a controller of that name, in doubt that there
// is.
func (e *Engine) exists(name string) bool {
	_, err := e.controllerEpoch(name)
	return !errors.Is(err, errGone)
}

// awaitGone waits for the end of a deletion, which the kernel announces by a
// uevent that Braid may not get to see; so it looks often.
func (e *Engine) awaitGone(ctx context.Context, c multipath.Controller) error {
	ctx, cancel := context.WithTimeout(ctx, goneTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		epoch, err := e.controllerEpoch(c.Name)
		if errors.Is(err, errGone) || err == nil && epoch != c.Epoch {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s is deleted but not gone: %w", c.Name, context.Cause(ctx))
		}
	}
}

// inodeOf takes the inode number out of a controller's epoch.
func inodeOf(epoch string) (uint64, error) {
	_, number, ok := strings.Cut(epoch, "/controller/")
	if !ok {
		return 0, fmt.Errorf("%q is no controller's epoch", epoch)
	}
	return strconv.ParseUint(number, 10, 64)
}
