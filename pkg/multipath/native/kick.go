package native

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/braid-csi/braid/pkg/faultpoint"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/native/sockdiag"
)

// KickConnection ends the connections of a live controller, if it is certain
// which they are; then the kernel fails its requests over and connects again at
// once (Linux drivers/nvme/host/tcp.c, nvme_tcp_state_change). It needs a kernel
// with CONFIG_INET_DIAG_DESTROY, else multipath.ErrUnsupported.
func (e *Engine) KickConnection(c multipath.Controller) error {
	obs, err := e.Observe(context.Background())
	if err != nil {
		return err
	}
	now := controllerOf(obs, c)
	if now == nil {
		return fmt.Errorf("%s is gone", c.Name)
	}
	mine, err := e.sockets.owned(now, obs, e.queues)
	if err != nil {
		return fmt.Errorf("which connections are those of %s: %w", c.Name, err)
	}
	faultpoint.Before("kick", c.Name)
	for _, s := range mine {
		err := e.sockets.destroy(s)
		if errors.Is(err, sockdiag.ErrUnsupported) {
			return fmt.Errorf("%w: %w", multipath.ErrUnsupported, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// controllerOf returns a controller as it is seen now, nil if it is another one
// or not live.
func controllerOf(obs *multipath.Observation, c multipath.Controller) *multipath.Controller {
	for now := range live(obs) {
		if now.Epoch == c.Epoch {
			return now
		}
	}
	return nil
}

// SetIOTimeout has the kernel wait for so long, in milliseconds, for a request on
// a controller's path, and returns what waits for the end of that: the kernel may
// wait for the requests in flight first.
func (e *Engine) SetIOTimeout(c multipath.Controller, p multipath.HeadPath, to time.Duration) (wait func(context.Context) error, err error) {
	w, err := e.writes.begin(c, "set the I/O timeout of "+p.Name+" on", func(inode uint64) (<-chan result, error) {
		return e.start(job{Set: c.Name, Attribute: p.Name + "/queue/io_timeout", Value: fmt.Sprint(to.Milliseconds()), Inode: inode})
	})
	if err != nil {
		return nil, err
	}
	return w.wait, nil
}
