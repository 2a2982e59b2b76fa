package multipath

import (
	"context"
	"fmt"

	"github.com/braid-csi/braid/pkg/nvme"
)

// ResetController has the kernel set the controller of a volume's path up anew.
// That may take a minute. See pull for what is never done.
func (l *Layer) ResetController(ctx context.Context, volumeID, key string, permit Permit) error {
	return l.pull(ctx, "reset the controller of", volumeID, key, permit, func(_ *Subsystem, c Controller) (func(context.Context) error, error) {
		return l.engine.ResetController(c)
	})
}

// KickConnection ends the connections of a volume's path whose far end is
// silent, so that the kernel fails its requests over at once rather than when
// its keep-alive or the requests time out. What was sent may still be carried
// out by the target: the sooner the kick, the longer the time in which a write
// that was repeated on another path may be overtaken by its first attempt.
//
// Only a live controller has connections to end. ErrUnsupported where the kernel
// cannot do it; see pull for what is never done.
func (l *Layer) KickConnection(ctx context.Context, volumeID, key string, permit Permit) error {
	return l.pull(ctx, "end the connections of", volumeID, key, permit, func(_ *Subsystem, c Controller) (func(context.Context) error, error) {
		if c.State != nvme.StateLive {
			return nil, fmt.Errorf("%w: %s is %s", ErrUnfit, c.Name, c.State)
		}
		if err := l.engine.KickConnection(c); err != nil {
			return nil, err
		}
		return func(context.Context) error { return nil }, nil // done
	})
}

// Reconnect takes the controller of a volume's path down, for the layer to
// connect it anew with the options of today. Taking down a controller that is
// live, or has requests in flight, would stall those for as long as its address
// is silent: it is done to one that is connecting, with nothing in flight.
func (l *Layer) Reconnect(ctx context.Context, volumeID, key string, permit Permit) error {
	return l.takeDown(ctx, "reconnect", volumeID, key, permit)
}

func (l *Layer) takeDown(ctx context.Context, what, volumeID, key string, permit Permit) error {
	return l.pull(ctx, what, volumeID, key, permit, func(s *Subsystem, c Controller) (func(context.Context) error, error) {
		if c.State != nvme.StateConnecting {
			return nil, fmt.Errorf("%w: %s is %s", ErrUnfit, c.Name, c.State)
		}
		if n := s.InFlight(c.Name); n == nil || *n != 0 {
			return nil, fmt.Errorf("%w: it is not proved that nothing is in flight on %s", ErrUnfit, c.Name)
		}
		return l.disconnecting(c), nil
	})
}

// disconnecting takes a controller down and returns what waits for the end of it.
func (l *Layer) disconnecting(c Controller) (wait func(context.Context) error) {
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = l.engine.Disconnect(l.background, c)
	}()
	return func(ctx context.Context) error {
		select {
		case <-done:
			return err
		case <-ctx.Done():
			return fmt.Errorf("%s is still being taken down: %w", c.Name, context.Cause(ctx))
		}
	}
}
