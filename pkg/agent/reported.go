package agent

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// reportTimeout bounds how long staging waits for its report.
const reportTimeout = 30 * time.Second

// errNotReported says why a volume's path set is not in the API.
var errNotReported = errors.New("the path set is not in the API yet")

// reported waits until the API has the path set of a volume that was staged
// before the call.
func (r *reporter) reported(ctx context.Context, volumeID string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, reportTimeout, errNotReported)
	defer cancel()
	name, number := Name(r.node, volumeID), r.inbox.last()
	for {
		r.mu.Lock()
		e, moved, why := r.entries[name], r.moved, r.outage.err
		done := r.seen >= number && e != nil && e.want != nil && e.presence == present
		if e != nil && e.why != nil {
			why = e.why
		}
		r.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			if why != nil {
				return fmt.Errorf("%w: %w", context.Cause(ctx), why)
			}
			return context.Cause(ctx)
		}
	}
}
