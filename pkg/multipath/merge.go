package multipath

import (
	"cmp"
	"slices"

	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

// served is an address with the controller that serves it, if any.
type served struct {
	address    nvme.TransportID
	controller *Controller
	expected   bool
}

// key is the name of the path in the ledger. A controller's own address may
// say more than the expected one (through which interface it goes), and two of
// them must not share a record.
func (w served) key() string {
	if w.controller != nil {
		return w.controller.Address.String()
	}
	return w.address.String()
}

// pair finds the controller of every expected address, and then lists the
// controllers that are left, by name: somebody else connected them. Where two
// controllers serve one address the live one counts; of two that are the same
// to the letter (duplicate_connect) the other one is no path more and is left
// out.
func pair(expected []nvme.TransportID, s *Subsystem) []served {
	var controllers []Controller
	if s != nil {
		controllers = s.Controllers
	}
	taken, same := map[string]bool{}, map[nvme.TransportID]bool{}
	var ways []served
	for _, address := range expected {
		w := served{address: address, expected: true}
		for i := range controllers {
			c := &controllers[i]
			if !taken[c.Name] && address.Reaches(c.Address) && (w.controller == nil || c.State == nvme.StateLive && w.controller.State != nvme.StateLive) {
				w.controller = c
			}
		}
		if w.controller != nil {
			taken[w.controller.Name] = true
			same[w.controller.Address] = true
		}
		ways = append(ways, w)
	}
	first := len(ways)
	for i := range controllers {
		if c := &controllers[i]; !taken[c.Name] && !same[c.Address] {
			ways = append(ways, served{address: c.Address, controller: c})
			same[c.Address] = true
		}
	}
	slices.SortFunc(ways[first:], func(a, b served) int { return cmp.Compare(a.controller.Name, b.controller.Name) })
	return ways
}

// history is what the ledger knows about a volume.
type history struct {
	paths, controllers map[string]ledger.Record
	lastReset          *ledger.Reset
}

// merge forms a volume's path set of what was seen, what is on record and why
// the latest attempts to connect failed.
func merge(v *staged, obs *Observation, h history, failed map[nvme.TransportID]error) PathSet {
	s := obs.Subsystem(v.SubsystemNQN)
	set := PathSet{
		VolumeID: v.ID, Origin: v.Origin, SubsystemNQN: v.SubsystemNQN, Namespace: v.Namespace,
		Expected: len(v.expected()), Head: h.paths[ledger.HeadKey].Tallies, LastReset: h.lastReset,
	}
	if s != nil {
		set.IOPolicy = s.IOPolicy
	}
	head, state := find(v, s)
	set.Device = device(v, head, state)
	for _, w := range pair(v.expected(), s) {
		p := Path{
			Address: w.address, Key: w.key(), Expected: w.expected, State: nvme.StateAbsent, Source: nvme.SourceUnsupported,
			Record: h.paths[w.key()], ControllerRecord: h.controllers[w.key()],
			FirstSrcAddr: v.sources[w.address.String()],
		}
		if p.Record.Source != "" {
			p.Source = p.Record.Source
		}
		if w.expected {
			p.Learned = v.learned(w.address)
		}
		if w.controller != nil {
			if set.HostNQN == "" { // the expected paths come first
				set.HostNQN, set.HostID = w.controller.HostNQN, w.controller.HostID
			}
			p.Controller, p.State, p.SrcAddr = w.controller.Name, w.controller.State, w.controller.SrcAddr
			if hp := head.path(w.controller.Name); hp != nil {
				p.Name, p.ANAState, p.Source = hp.Name, hp.ANAState, hp.Source
				p.SourceReason, p.IO = hp.SourceReason, hp.IO
			}
			p.Connections, p.NoConnections = w.controller.Connections, w.controller.NoConnections
		} else if err := failed[w.address]; err != nil {
			p.ConnectError = err.Error()
		}
		set.Paths = append(set.Paths, p)
	}
	return set
}

// find returns the volume's head, and what became of the staged one: the
// staged device if it is still there, else whichever has the namespace now.
func find(v *staged, s *Subsystem) (*Head, DeviceState) {
	if s == nil {
		if v.Head.Epoch == "" {
			return nil, DevicePending
		}
		return nil, DeviceVanished
	}
	if v.Head.Epoch == "" {
		return s.Head(v.Namespace), DevicePending
	}
	for i := range s.Heads {
		h := &s.Heads[i]
		if h.Epoch != v.Head.Epoch {
			continue
		}
		if !h.Is(v.Namespace) {
			return nil, DeviceIdentityChanged
		}
		return h, DevicePresent
	}
	return s.Head(v.Namespace), DeviceVanished
}

// device describes the staged device; while it is pending or gone, the name
// of the one that was staged stays.
func device(v *staged, h *Head, state DeviceState) Device {
	d := Device{State: state, Name: v.Head.Name, DevNum: v.Head.DevNum}
	if h != nil && state != DeviceVanished {
		d.Name, d.Path, d.DevNum, d.SizeBytes = h.Name, h.Device, h.DevNum, h.SizeBytes
	}
	return d
}

// path returns the head's path through a controller, or nil; a head that is
// not there has none.
func (h *Head) path(controller string) *HeadPath {
	if h == nil {
		return nil
	}
	for i := range h.Paths {
		if h.Paths[i].Controller == controller {
			return &h.Paths[i]
		}
	}
	return nil
}
