package nvme

// ControllerState is the state of one controller as Linux names it in sysfs
// (drivers/nvme/host/sysfs.c, nvme_sysfs_show_state).
type ControllerState string

// The controller states of Linux 6.1 to 7.3.
const (
	StateNew        ControllerState = "new"
	StateLive       ControllerState = "live"
	StateResetting  ControllerState = "resetting"
	StateConnecting ControllerState = "connecting"
	StateDeleting   ControllerState = "deleting"
	StateDeletingNo ControllerState = "deleting (no IO)"
	StateDead       ControllerState = "dead"
	// StateAbsent is Braid's own word: no such controller exists.
	StateAbsent ControllerState = "absent"
	// StateUnknown stands for a word of the kernel's that Braid does not know.
	StateUnknown ControllerState = "unknown"
)

// ParseControllerState returns the state that sysfs spells s. A word that is
// not known is StateUnknown: never healthy, never an error.
func ParseControllerState(s string) ControllerState {
	switch st := ControllerState(s); st {
	case StateNew, StateLive, StateResetting, StateConnecting, StateDeleting, StateDeletingNo, StateDead:
		return st
	}
	return StateUnknown
}

// ANAState is the asymmetric namespace access state of one path
// (NVM Express Base Specification 2.1, section 8.1.1).
type ANAState string

// The ANA states as Linux names them in sysfs.
const (
	// ANANone means that the subsystem does not report ANA: the path is
	// accessible whenever its controller is live.
	ANANone           ANAState = ""
	ANAOptimized      ANAState = "optimized"
	ANANonOptimized   ANAState = "non-optimized"
	ANAInaccessible   ANAState = "inaccessible"
	ANAPersistentLoss ANAState = "persistent-loss"
	ANAChange         ANAState = "change"
	// ANAUnknown stands for a word of the kernel's that Braid does not know.
	ANAUnknown ANAState = "unknown"
)

// ParseANAState returns the state that sysfs spells s.
func ParseANAState(s string) ANAState {
	switch st := ANAState(s); st {
	case ANANone, ANAOptimized, ANANonOptimized, ANAInaccessible, ANAPersistentLoss, ANAChange:
		return st
	}
	return ANAUnknown
}

// Accessible tells whether the namespace can be read and written in state s.
func (s ANAState) Accessible() bool {
	return s == ANANone || s == ANAOptimized || s == ANANonOptimized
}

// Usable tells whether I/O can go down a path whose controller and ANA state
// these are. Both must agree: while a controller is down its ANA state is
// stale and may still read optimized.
func Usable(c ControllerState, a ANAState) bool {
	return c == StateLive && a.Accessible()
}

// IOPolicy is how a head chooses among its optimized paths
// (drivers/nvme/host/multipath.c, nvme_iopolicy_names).
type IOPolicy string

// The policies of Linux; queue-depth exists from 6.11 on.
const (
	IOPolicyNUMA       IOPolicy = "numa"
	IOPolicyRoundRobin IOPolicy = "round-robin"
	IOPolicyQueueDepth IOPolicy = "queue-depth"
)
