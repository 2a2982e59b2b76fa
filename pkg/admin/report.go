package admin

import (
	"time"

	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

// Report is what braid-node knows of the volumes staged on its node.
type Report struct {
	At      time.Time `json:"at"`
	Volumes []Volume  `json:"volumes"`
}

// Volume is one staged volume with its paths.
type Volume struct {
	ID           string                `json:"id"`
	SubsystemNQN nvme.NQN              `json:"subsystemNQN"`
	Namespace    nvme.NamespaceID      `json:"namespace"`
	Device       string                `json:"device"`
	DeviceState  multipath.DeviceState `json:"deviceState"`
	SizeBytes    int64                 `json:"sizeBytes"`
	IOPolicy     nvme.IOPolicy         `json:"ioPolicy"`
	Usable       int                   `json:"usable"`
	Expected     int                   `json:"expected"`
	Findings     []Finding             `json:"findings"`
	Paths        []Path                `json:"paths"`
	Head         ledger.Tallies        `json:"head,omitempty"`
	LastReset    *ledger.Reset         `json:"lastReset,omitempty"`
}

// Finding is one thing that is wrong with the volume.
type Finding struct {
	Status  health.Status `json:"status"`
	Reason  health.Reason `json:"reason"`
	Message string        `json:"message"`
}

// Path is one path of a volume, present or missing.
type Path struct {
	Address  nvme.TransportID `json:"address"`
	Expected bool             `json:"expected"`
	// Learned says from where the address is known, if the volume did not ask for it.
	Learned      *multipath.Learned   `json:"learned,omitempty"`
	Usable       bool                 `json:"usable"`
	Controller   string               `json:"controller,omitempty"`
	Name         string               `json:"name,omitempty"`
	State        nvme.ControllerState `json:"state"`
	ANAState     nvme.ANAState        `json:"anaState,omitempty"`
	ConnectError string               `json:"connectError,omitempty"`
	// CounterSource says where Counts come from; with Unsupported there are none.
	CounterSource nvme.CounterSource `json:"counterSource"`
	// CounterSourceReason is why there are none.
	CounterSourceReason string         `json:"counterSourceReason,omitempty"`
	Counts              ledger.Tallies `json:"counts,omitempty"`
	CountedSince        time.Time      `json:"countedSince,omitzero"`
	// Exact is false where the counts are lower bounds.
	Exact        bool      `json:"exact"`
	LastFailover time.Time `json:"lastFailover,omitzero"`
	// ControllerCounts are shared with the other volumes of the subsystem.
	ControllerCounts ledger.Tallies `json:"controllerCounts,omitempty"`
}

// NewReport forms the report of a snapshot; findings answers for a volume.
func NewReport(s *multipath.Snapshot, findings func(volumeID string) ([]health.Finding, bool)) Report {
	r := Report{At: s.At, Volumes: []Volume{}}
	for i := range s.PathSets {
		set := &s.PathSets[i]
		v := Volume{
			ID: set.VolumeID, SubsystemNQN: set.SubsystemNQN, Namespace: set.Namespace,
			Device: set.Device.Name, DeviceState: set.Device.State, SizeBytes: set.Device.SizeBytes,
			IOPolicy: set.IOPolicy, Usable: set.Usable(), Expected: set.Expected,
			Findings: []Finding{}, Paths: []Path{}, Head: set.Head, LastReset: set.LastReset,
		}
		found, _ := findings(set.VolumeID)
		for _, f := range health.Guard(found) {
			v.Findings = append(v.Findings, Finding{f.Status, f.Reason, f.Message})
		}
		for j := range set.Paths {
			v.Paths = append(v.Paths, newPath(&set.Paths[j]))
		}
		r.Volumes = append(r.Volumes, v)
	}
	return r
}

func newPath(p *multipath.Path) Path {
	return Path{
		Address: p.Address, Expected: p.Expected, Learned: p.Learned, Usable: p.Usable(),
		Controller: p.Controller, Name: p.Name, State: p.State, ANAState: p.ANAState, ConnectError: p.ConnectError,
		CounterSource: p.Source, CounterSourceReason: p.SourceReason, Counts: p.Record.Tallies, CountedSince: p.Record.CountedSince,
		Exact: p.Record.Exact, LastFailover: p.Record.LastFailover,
		ControllerCounts: p.ControllerRecord.Tallies,
	}
}
