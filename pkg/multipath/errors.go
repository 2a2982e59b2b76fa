package multipath

import "errors"

// The errors that callers tell apart; each is wrapped with what was seen.
var (
	// ErrNoPath: too few paths came up in time. Trying again may help.
	ErrNoPath = errors.New("not enough usable paths")
	// ErrNoNamespace: the subsystem is connected and has no such namespace.
	ErrNoNamespace = errors.New("no such namespace in the subsystem")
	// ErrConflict: the volume is staged with other parameters.
	ErrConflict = errors.New("volume is staged differently")
	// ErrNotStaged: the volume has no path set on this node.
	ErrNotStaged = errors.New("volume is not staged")
	// ErrBusy: somebody still has the device mounted or holds it.
	ErrBusy = errors.New("device is in use")
	// ErrLastPath: a namespace depends on what was to be taken down.
	ErrLastPath = errors.New("no other usable path")
	// ErrNoMaintenance: the address is not under maintenance.
	ErrNoMaintenance = errors.New("no maintenance")
	// ErrInvalid: what was asked for makes no sense.
	ErrInvalid = errors.New("invalid request")
	// ErrUnfit: what is asked for does not help in the state in which the path is.
	ErrUnfit = errors.New("does not fit the state of the path")
	// ErrNoAnswer: a controller was asked something and has not answered in time.
	ErrNoAnswer = errors.New("no answer")
	// errNoNode: the device is there and its node is not, or not yet.
	errNoNode = errors.New("no device node")
	// ErrUnsupported: this node cannot do it, for instance because the kernel
	// runs without native NVMe multipathing.
	ErrUnsupported = errors.New("not supported on this node")
)
