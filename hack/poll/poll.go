// Package poll waits for what cannot be waited for in any other way: the kernel
// sends no event for the loss of a path or a change of an ANA state.
package poll

import (
	"context"
	"fmt"
	"time"
)

const interval = 5 * time.Millisecond

// Until calls done until it says yes, it fails, or ctx ends. The error says what
// was waited for.
func Until(ctx context.Context, what string, done func() (bool, error)) error {
	return Every(ctx, interval, what, done)
}

// Every is Until for what costs something to ask: it leaves a pause between two
// calls.
func Every(ctx context.Context, pause time.Duration, what string, done func() (bool, error)) error {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		ok, err := done()
		if err != nil {
			return fmt.Errorf("waiting for %s: %w", what, err)
		}
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, context.Cause(ctx))
		case <-tick.C:
		}
	}
}
