package head

import (
	"fmt"
	"testing"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
)

// TestDecide has the kernel's rules, one by one and where they meet.
func TestDecide(t *testing.T) {
	for _, tc := range []struct {
		status  nvme.Status
		retries int
		going   bool
		want    disposition
	}{
		{0x000, 0, false, complete},
		{0x2000, 0, false, complete}, // success with More
		{0x000, 0, true, complete},
		{0x371, 0, false, failover}, // aborted by the host
		{0x370, 0, false, failover}, // not sent
		{0x302, 0, false, failover},
		{0x2302, 0, false, failover}, // nvmet sets More
		{0x303, 0, false, failover},
		{0x301, 0, false, failover},
		{0x360, 0, false, failover},
		{0x300, 0, false, failover},
		{0x1b02, 0, false, failover}, // CRD beside a path error
		{0x4302, 0, false, complete}, // DNR goes before the path
		{0x302, 5, false, complete},  // so does the number of retries
		{0x302, 4, false, failover},
		{0x006, 0, false, retry},
		{0x0806, 4, false, retry},
		{0x006, 5, false, complete},
		{0x4006, 0, false, complete},
		{0x281, 0, false, retry},
		{0x4281, 0, false, complete},
		{0x022, 0, false, retry},
		{0x006, 0, true, failover}, // the path goes, the request need not
		{0x4006, 0, true, complete},
	} {
		t.Run(fmt.Sprintf("%s after %d retries, going %t", tc.status, tc.retries, tc.going), func(t *testing.T) {
			if got := decide(tc.status, tc.retries, tc.going); got != tc.want {
				t.Errorf("decide(%s, %d, %t) = %s, want %s", tc.status, tc.retries, tc.going, got, tc.want)
			}
		})
	}
}

func TestRetryDelay(t *testing.T) {
	delays := [3]uint16{1, 20, 300}
	for status, want := range map[nvme.Status]time.Duration{
		0x0006: 0, 0x0806: 100 * time.Millisecond, 0x1006: 2 * time.Second, 0x1806: 30 * time.Second,
	} {
		if got := retryDelay(status, delays); got != want {
			t.Errorf("retryDelay(%s, %v) = %s, want %s", status, delays, got, want)
		}
	}
}
