package head

import (
	"maps"
	"slices"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
)

// SubsystemSnapshot is a subsystem at one moment.
type SubsystemSnapshot struct {
	SubsystemNQN nvme.NQN             `json:"subsystemNQN"`
	Controllers  []ControllerSnapshot `json:"controllers"`
	// Heads are those that are open, by NSID.
	Heads []Snapshot `json:"heads"`
}

// ControllerSnapshot is a controller at one moment.
type ControllerSnapshot struct {
	Address nvme.TransportID     `json:"address"`
	State   nvme.ControllerState `json:"state"`
	// Verified is false from a loss until the ANA log and the namespaces have
	// been read again.
	Verified bool          `json:"verified"`
	InFlight int64         `json:"inFlight"`
	Counters nvme.Counters `json:"counters"`
	// Refused says which namespaces are not used, by NSID, and why.
	Refused map[uint32]string `json:"refused,omitempty"`
	// Changing is since when ANA groups are in transition.
	Changing map[uint32]time.Time `json:"changing,omitempty"`
}

// Snapshot is a head at one moment.
type Snapshot struct {
	NSID      uint32             `json:"nsid"`
	IDs       []nvme.NamespaceID `json:"ids"`
	Blocks    uint64             `json:"blocks"`
	BlockSize int                `json:"blockSize"`
	IOPolicy  nvme.IOPolicy      `json:"ioPolicy"`
	Paths     []PathSnapshot     `json:"paths"`
	Counters  nvme.Counters      `json:"counters"`
	// Pending are all requests that are not done. Of those, Parked wait for a
	// path, at most for NoPathTimeout (0: for as long as one may come back),
	// Delayed for the time of a retry, Held for the end of a range in doubt.
	Pending       int64         `json:"pending"`
	Parked        int           `json:"parked"`
	NoPathTimeout time.Duration `json:"noPathTimeout"`
	Delayed       int           `json:"delayed"`
	Held          int           `json:"held"`
	// InDoubt are the ranges that lost writes may still change. Each new one is
	// held for InDoubtWindow; 0: for as long as its controller says.
	InDoubt       []InDoubt     `json:"inDoubt,omitempty"`
	InDoubtWindow time.Duration `json:"inDoubtWindow"`
}

// PathSnapshot is a path at one moment.
type PathSnapshot struct {
	Address nvme.TransportID     `json:"address"`
	State   nvme.ControllerState `json:"state"`
	ANA     nvme.ANAState        `json:"ana"`
	// Pending says that the states are to be read again before the path is used.
	Pending  bool          `json:"pending"`
	Usable   bool          `json:"usable"`
	InFlight int64         `json:"inFlight"`
	Counters nvme.Counters `json:"counters"`
}

// Snapshot tells how things are. It asks no controller.
func (s *Subsystem) Snapshot() SubsystemSnapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	snap := SubsystemSnapshot{SubsystemNQN: s.cfg.Host.SubsystemNQN}
	for _, c := range s.controllers {
		cs := ControllerSnapshot{
			Address: c.address, State: c.device.State(), Verified: c.verified, InFlight: c.inFlight.Load(),
			Counters: c.device.Counters(), Refused: map[uint32]string{}, Changing: maps.Clone(c.changing),
		}
		for nsid, err := range c.refused {
			cs.Refused[nsid] = err.Error()
		}
		snap.Controllers = append(snap.Controllers, cs)
	}
	for _, nsid := range slices.Sorted(maps.Keys(s.heads)) {
		snap.Heads = append(snap.Heads, s.heads[nsid].snapshot())
	}
	return snap
}

// Snapshot tells how things are. It asks no controller.
func (h *Head) Snapshot() Snapshot {
	h.subsystem.mu.Lock()
	defer h.subsystem.mu.Unlock()
	return h.snapshot()
}

// snapshot is Snapshot. The lock of the subsystem is held.
func (h *Head) snapshot() Snapshot {
	snap := Snapshot{
		NSID: h.NSID(), IDs: h.ids, Blocks: h.Blocks(), BlockSize: h.BlockSize(), IOPolicy: h.cfg.IOPolicy,
		Counters: h.Counters(), Pending: h.pending.Load(), NoPathTimeout: h.cfg.NoPathTimeout,
		InDoubt: h.InDoubt(), InDoubtWindow: h.cfg.InDoubt.Window,
	}
	for _, p := range h.Paths() {
		snap.Paths = append(snap.Paths, PathSnapshot{
			Address: p.address, State: p.link.State(), ANA: p.ana, Pending: p.pending, Usable: rank(p.rank.Load()) != unusable,
			InFlight: p.outstanding.Load(), Counters: p.Counters(),
		})
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	snap.Parked, snap.Delayed, snap.Held = h.waiting[parked].length, h.waiting[delayed].length, h.waiting[held].length
	return snap
}
