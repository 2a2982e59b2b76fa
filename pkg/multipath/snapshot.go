package multipath

import (
	"time"

	"github.com/braid-csi/braid/pkg/attachment"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

// Snapshot is the state of every staged volume's paths at one moment: an
// observation merged with the ledger. It is immutable; readers share it.
type Snapshot struct {
	At       time.Time
	PathSets []PathSet
}

// PathSet is the set of paths by which this node reaches one volume.
type PathSet struct {
	VolumeID string
	// Origin is whose volume it is, as far as the node was told.
	Origin       attachment.Origin
	SubsystemNQN nvme.NQN
	Namespace    nvme.NamespaceID
	// HostNQN and HostID are what this node presents to the subsystem; empty
	// while no controller is connected.
	HostNQN  nvme.NQN
	HostID   string
	Device   Device
	IOPolicy nvme.IOPolicy
	// Paths holds the expected paths in the volume's order, then those that
	// somebody else connected, by name.
	Paths []Path
	// Expected is how many paths are expected.
	Expected int
	// Head counts what the head did for want of a path.
	Head ledger.Tallies
	// LastReset is the newest reset of the counters, nil before the first.
	LastReset *ledger.Reset
}

// DeviceState tells whether a volume's block device is still the one that
// was staged.
type DeviceState string

// The device states.
const (
	// DevicePending: staging has not yet found the device.
	DevicePending DeviceState = "Pending"
	DevicePresent DeviceState = "Present"
	// DeviceVanished: the staged device is gone. Another device with the
	// namespace may exist, but what is mounted cannot use it.
	DeviceVanished DeviceState = "Vanished"
	// DeviceIdentityChanged: the staged device now has another namespace.
	DeviceIdentityChanged DeviceState = "IdentityChanged"
)

// Device is the block device of a volume.
type Device struct {
	State     DeviceState
	Name      string // such as nvme0n1
	Path      string // such as /dev/nvme0n1
	DevNum    string // MAJOR:MINOR
	SizeBytes int64
}

// Path is one way of a path set, present or missing.
type Path struct {
	Address nvme.TransportID
	// Key is the path's name in the ledger: the address as its controller has
	// it, which may say more than the one the volume asks for.
	Key string
	// Expected tells whether the volume asks for this path, or would if it knew
	// to where an address has moved: then Learned says from where that is known.
	Expected bool
	Learned  *Learned
	// Name is the path's hidden disk and Controller its controller; both are
	// empty while the path is missing.
	Name       string
	Controller string
	// SrcAddr is the host's end of the connection, empty while the controller
	// is not live; FirstSrcAddr is the one it had when the path was first live
	// since the volume was staged.
	SrcAddr      string
	FirstSrcAddr string
	State        nvme.ControllerState
	ANAState     nvme.ANAState
	// Source says where the counts come from; SourceUnsupported where nothing
	// counts or the path is missing and never was counted.
	Source nvme.CounterSource
	// SourceReason is why there is no better source; empty where there is
	// nothing to say.
	SourceReason string
	// Record is what the ledger knows of the path, also while it is missing.
	Record ledger.Record
	// ControllerRecord is the same for the path's controller, which other
	// volumes of the subsystem share.
	ControllerRecord ledger.Record
	// Connections are those of the path's controller, and IO is what went through
	// the path; nil where that is not known, and then NoConnections is why.
	Connections   []Connection
	NoConnections string
	IO            *PathIO
	// Probe is what came of probing the path while it carried no I/O; nil where
	// its I/O proves it, or it was not probed yet.
	Probe *Probe
	// ConnectError is why the last attempt to connect failed, and why nobody can
	// say whether the address has moved; empty once live.
	ConnectError string
	// Maintenance is what its address is under, nil for none.
	Maintenance *Maintenance
	// BenchedUntil is until when it is kept out of use, for it was much worse than
	// the others; zero: it is not.
	BenchedUntil time.Time
}

// Usable tells whether I/O can take the path now: its controller is live, has
// the namespace, and ANA lets it be reached.
func (p *Path) Usable() bool { return p.Name != "" && nvme.Usable(p.State, p.ANAState) }

// Usable counts the paths that I/O can take now.
func (s *PathSet) Usable() int {
	n := 0
	for i := range s.Paths {
		if s.Paths[i].Usable() {
			n++
		}
	}
	return n
}

// PathSet returns the path set of a volume, or nil.
func (s *Snapshot) PathSet(volumeID string) *PathSet {
	for i := range s.PathSets {
		if s.PathSets[i].VolumeID == volumeID {
			return &s.PathSets[i]
		}
	}
	return nil
}
