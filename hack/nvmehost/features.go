package nvmehost

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/braid-csi/braid/hack/kernel"
)

// Features are what the NVMe host of some supported kernels can do and that of
// others cannot. This is the only place that knows.
type Features struct {
	// Release is the kernel's, such as 6.12.117+deb12-cloud-amd64.
	Release string
	// Counters: the diag groups in sysfs. Without them no failover, retry or
	// reset is counted, and nothing can be set to zero.
	Counters bool
	// QueueDepth: the I/O policy of that name.
	QueueDepth bool
	// DNREnds: a controller whose reconnect is refused for good is given up,
	// whatever its ctrl_loss_tmo says.
	DNREnds bool
}

func (f Features) String() string {
	if f.Counters {
		return "Linux " + f.Release + ", which counts failovers"
	}
	return "Linux " + f.Release + ", which does not count: Unsupported"
}

// The releases with which features came.
var (
	countersSince   = kernel.Release{Major: 7, Minor: 2}
	queueDepthSince = kernel.Release{Major: 6, Minor: 11}
	dnrEndsSince    = kernel.Release{Major: 6, Minor: 10}
)

// Kernel returns the features of the running kernel. Its release decides and
// not what sysfs shows: that a new kernel has lost an attribute, or that it is
// looked for in the wrong place, must not make a test content with less.
func Kernel() (Features, error) {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return Features{}, fmt.Errorf("uname: %w", err)
	}
	return featuresOf(unix.ByteSliceToString(uts.Release[:]))
}

func featuresOf(release string) (Features, error) {
	r, err := kernel.ParseRelease(release)
	return Features{
		Release:    release,
		Counters:   !r.Less(countersSince),
		QueueDepth: !r.Less(queueDepthSince),
		DNREnds:    !r.Less(dnrEndsSince),
	}, err
}
