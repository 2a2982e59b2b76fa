package remediation

import (
	"fmt"
	"time"
)

// Decision is a step, or why there is none.
type Decision struct {
	// Step is what to do, "" for nothing, and Path the key of the path to do it
	// to, "" for ResetCounters.
	Step Step
	Path string
	// Reason is why nothing is to be done, "" where something is; Message says
	// it in words.
	Reason  Reason
	Message string
	// At is when the reason is over if nothing else changes, where that is
	// known; zero: it is not.
	At time.Time
}

// Reason is why nothing is to be done. It is part of the API.
type Reason string

// The reasons.
const (
	// AlreadyFine: nothing is wrong.
	AlreadyFine Reason = "AlreadyFine"
	// NotStaged: the volume or the path is not on this node, or not yet.
	NotStaged Reason = "NotStaged"
	// NoSteps: the policy has none.
	NoSteps Reason = "NoSteps"
	// Suspended: a suspension holds.
	Suspended Reason = "Suspended"
	// InProgress: another step in the subsystem has not ended.
	InProgress Reason = "InProgress"
	// NotOurs: Braid did not connect the controller.
	NotOurs Reason = "NotOurs"
	// LastUsablePath: a namespace on the controller has no other usable path.
	LastUsablePath Reason = "LastUsablePath"
	// SameRequests: a step was taken for the very requests that hang now.
	SameRequests Reason = "SameRequests"
	// NoStepFits: no step helps against this fault, or it is not proved that it
	// would.
	NoStepFits Reason = "NoStepFits"
	// Stabilizing: all is quiet since the last step, but not for long enough.
	Stabilizing Reason = "Stabilizing"
	// BackOff: it is too soon to try again.
	BackOff Reason = "BackOff"
	// AttemptsExhausted: too much was tried already.
	AttemptsExhausted Reason = "AttemptsExhausted"
	// Over: the fault that a step was taken against is over.
	Over Reason = "Over"
	// FaultPersists: it is not, though it was time enough.
	FaultPersists Reason = "FaultPersists"
)

// no is a decision to do nothing about a path.
func no(path string, r Reason, format string, args ...any) Decision {
	return Decision{Path: path, Reason: r, Message: fmt.Sprintf(format, args...)}
}

// until says when a decision to do nothing ends.
func (d Decision) until(t time.Time) Decision {
	d.At = t
	return d
}
