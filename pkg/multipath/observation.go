package multipath

import (
	"slices"
	"time"

	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

// Observation is what an engine saw in one scan of the node: every fabrics
// subsystem, its controllers, its namespaces and their paths, whoever
// connected them. What vanished while the scan ran is left out.
type Observation struct {
	At         time.Time
	Subsystems []Subsystem
	// Ended has what was counted in lives of paths that are over, by their
	// epochs, as far as a source remembers them. It is more than was ever seen
	// while they lasted where requests failed over as the path was removed.
	Ended map[string]*ledger.Witness
}

// Subsystem is one NVM subsystem as this host sees it.
type Subsystem struct {
	// Name is the engine's name for it, such as nvme-subsys0.
	Name        string
	NQN         nvme.NQN
	IOPolicy    nvme.IOPolicy
	Controllers []Controller
	Heads       []Head
}

// Owner is how the controllers that Braid connected are signed.
const Owner = "braid"

// Controller is one association between this host and a subsystem.
type Controller struct {
	Name    string // such as nvme0
	State   nvme.ControllerState
	Address nvme.TransportID
	// SrcAddr is the host's end of the connection; empty while not live.
	SrcAddr string
	HostNQN nvme.NQN
	HostID  string
	// Owner is who connected the controller, as /run/nvme/registry says;
	// empty where nobody claimed it.
	Owner string
	// Epoch changes whenever the counters may have started anew: an opaque
	// value, comparable, never reused.
	Epoch    string
	Counters nvme.Counters
	// Beside is what is counted of it where the kernel does not, nil for nothing.
	Beside *ledger.Witness
	// Connections are its TCP connections, one for each queue; nil if it is not
	// known which they are, and then NoConnections is why.
	Connections   []Connection
	NoConnections string
}

// Head is the block device through which a namespace is used, whichever of
// its paths the I/O takes.
type Head struct {
	Name   string // such as nvme0n1
	Device string // the device node, such as /dev/nvme0n1
	DevNum string // MAJOR:MINOR
	NSID   uint32
	// IDs are the namespace's identifiers, best first.
	IDs       []nvme.NamespaceID
	SizeBytes int64
	Epoch     string
	Counters  nvme.Counters
	Paths     []HeadPath
}

// HeadPath is one way from a head to its namespace, through one controller.
type HeadPath struct {
	Name       string // the hidden disk, such as nvme0c1n1
	Controller string // such as nvme1
	ANAState   nvme.ANAState
	ANAGroup   uint32
	SizeBytes  int64
	Epoch      string
	Counters   nvme.Counters
	Source     nvme.CounterSource
	// SourceReason is why the source is none better; empty where there is
	// nothing to say.
	SourceReason string
	// Witness is the second account where there is one (SourceBoth).
	Witness *ledger.Witness
	// Exact tells whether the source counts every event; the flat attribute
	// of the patch before Linux 7.2 is not atomic and may count too few.
	Exact bool
	// IO is the path's I/O, nil where that is not known.
	IO *PathIO
	// IOTimeout is for how long the kernel waits for a request on the path before
	// it gives its controller up; 0 where that is not known.
	IOTimeout time.Duration
}

// Controller returns the controller of that name, or nil.
func (s *Subsystem) Controller(name string) *Controller {
	for i := range s.Controllers {
		if s.Controllers[i].Name == name {
			return &s.Controllers[i]
		}
	}
	return nil
}

// usable tells whether I/O can take a path of one of the subsystem's heads now.
func (s *Subsystem) usable(p HeadPath) bool {
	c := s.Controller(p.Controller)
	return c != nil && nvme.Usable(c.State, p.ANAState)
}

// DependsOn returns a head to which controllers lead that are leaving and no other
// path that is usable, nil for none.
func (s *Subsystem) DependsOn(leaving func(controller string) bool, usable func(HeadPath) bool) *Head {
	for i := range s.Heads {
		h := &s.Heads[i]
		goes := func(p HeadPath) bool { return leaving(p.Controller) }
		stays := func(p HeadPath) bool { return !leaving(p.Controller) && usable(p) }
		if slices.ContainsFunc(h.Paths, goes) && !slices.ContainsFunc(h.Paths, stays) {
			return h
		}
	}
	return nil
}

// Head returns the head of the namespace that id identifies, or nil.
func (s *Subsystem) Head(id nvme.NamespaceID) *Head {
	for i := range s.Heads {
		if s.Heads[i].Is(id) {
			return &s.Heads[i]
		}
	}
	return nil
}

// Is tells whether id is one of the head's identifiers.
func (h *Head) Is(id nvme.NamespaceID) bool {
	for _, have := range h.IDs {
		if have == id {
			return true
		}
	}
	return false
}

// Subsystem returns the subsystem of that name, or nil. There is one at most:
// the kernel joins controllers of one NQN in one subsystem.
func (o *Observation) Subsystem(nqn nvme.NQN) *Subsystem {
	for i := range o.Subsystems {
		if o.Subsystems[i].NQN == nqn {
			return &o.Subsystems[i]
		}
	}
	return nil
}
