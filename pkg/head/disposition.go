package head

import (
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
)

// disposition is what becomes of a request that came back.
type disposition int

const (
	complete disposition = iota // to its caller, with the status it has
	retry                       // later, as the controller says
	failover                    // at once, on another path
)

func (d disposition) String() string { return [...]string{"complete", "retry", "failover"}[d] }

// maxRetries is how often a request is retried on a path that works
// (nvme_core.max_retries).
const maxRetries = 5

// decide tells what becomes of a request with that status. It has been retried
// so often since it came to its path; the path is going if its controller is
// being deleted or is dead (drivers/nvme/host/core.c,
// nvme_decide_disposition, Linux 7.3).
func decide(s nvme.Status, retries int, going bool) disposition {
	switch {
	case s.Code() == nvme.StatusSuccess, s.DoNotRetry(), retries >= maxRetries:
		return complete
	case s.PathError(), going:
		return failover
	}
	return retry
}

// retryDelay is how long the controller wants a retry to wait: CRDT in units of
// 100 ms, chosen by CRD.
func retryDelay(s nvme.Status, delays [3]uint16) time.Duration {
	if s.CRD() == 0 {
		return 0
	}
	return time.Duration(delays[s.CRD()-1]) * 100 * time.Millisecond
}
