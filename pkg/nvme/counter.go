package nvme

// Counter names one of the event counters that the kernel's multipath layer
// keeps (Linux 7.2, the diag attribute groups).
type Counter string

// Counters of a path.
const (
	// Failovers counts the requests that were redirected away from the path.
	// It counts requests, not events: zero says nothing about health.
	Failovers Counter = "failovers"
	// Retries counts requests sent again, also down the same path.
	Retries Counter = "retries"
	// Errors counts requests that ended with a status other than success.
	Errors Counter = "errors"
)

// Counters of a head.
const (
	// Requeues counts how often bios were parked for want of a usable path.
	Requeues Counter = "requeues"
	// Failures counts bios failed because no path could come back.
	Failures Counter = "failures"
)

// Counters of a controller, shared by every namespace of its subsystem.
const (
	// AdminErrors counts admin commands that ended with an error.
	AdminErrors Counter = "adminErrors"
	// Resets counts how often the controller began to reset.
	Resets Counter = "resets"
	// Reconnects counts attempts to connect again.
	Reconnects Counter = "reconnects"
)

// Counters holds raw values as a counter's source gives them. A counter that
// is absent is not supported there, which is not the same as zero.
type Counters map[Counter]uint64

// CounterSource tells where the counts of a path come from.
type CounterSource string

// The sources, best first.
const (
	// SourceKernelAttribute is the attribute in sysfs: the diag group of
	// Linux 7.2 or the flat attribute of the patch before it.
	SourceKernelAttribute CounterSource = "KernelAttribute"
	// SourceBPF is Braid's own programs in the kernel, which count failovers,
	// retries, errors and resets, on kernels that have no attributes.
	SourceBPF CounterSource = "BPF"
	// SourceBoth is the attribute with the program beside it: the better of the
	// two counts.
	SourceBoth CounterSource = "Both"
	// SourceUnsupported means that nothing on this node counts.
	SourceUnsupported CounterSource = "Unsupported"
)
