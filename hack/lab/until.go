package lab

import (
	"context"
	"time"

	"github.com/braid-csi/braid/hack/poll"
)

// askAgain is the pause between two questions to a cluster.
const askAgain = 100 * time.Millisecond

// until asks until the answer is yes. A question that the end of ctx cut short
// is no error of its own: what was waited for says more.
func until(ctx context.Context, what string, done func() (bool, error)) error {
	return poll.Every(ctx, askAgain, what, func() (bool, error) {
		ok, err := done()
		select {
		case <-ctx.Done():
			return false, nil
		default:
			return ok, err
		}
	})
}
