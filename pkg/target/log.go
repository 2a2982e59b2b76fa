package target

import (
	"maps"
	"slices"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// maxLogRead is the most of a log that one command reads.
const maxLogRead = maxTransfer

// log returns the part of a log that a Get Log Page command asks for; beyond
// the end of the log are zeros.
func (k *controller) log(r nvmetcp.LogRequest) ([]byte, nvme.Status) {
	if r.Length > maxLogRead || r.Offset%4 != 0 {
		return nil, nvme.StatusInvalidField | nvme.DNR
	}
	if !r.Retain {
		k.logRead(r.Log)
	}
	whole, ok := k.wholeLog(r)
	switch {
	case !ok:
		return nil, nvme.StatusInvalidLogPage | nvme.DNR
	case r.Offset > uint64(len(whole)):
		return nil, nvme.StatusInvalidField | nvme.DNR
	}
	part := make([]byte, r.Length)
	copy(part, whole[r.Offset:])
	return part, nvme.StatusSuccess
}

func (k *controller) wholeLog(r nvmetcp.LogRequest) ([]byte, bool) {
	switch {
	case r.Log == nvmetcp.LogDiscovery && k.subsystem.discovery:
		return k.port.target.discoveryLog(), true
	case k.subsystem.discovery:
		return nil, false
	case r.Log == nvmetcp.LogANA:
		return k.anaLog(r.Specific&nvmetcp.ANAGroupsOnly != 0), true
	case r.Log == nvmetcp.LogErrors, r.Log == nvmetcp.LogHealth, r.Log == nvmetcp.LogFirmware:
		return make([]byte, 512), true // no errors, no temperature, no slots
	case r.Log == nvmetcp.LogChangedNamespaces:
		return make([]byte, nvmetcp.IdentifySize), true // none has changed
	}
	return nil, false
}

func (k *controller) anaLog(groupsOnly bool) []byte {
	namespaces := k.subsystem.groups()
	var changes uint64
	var groups []nvmetcp.ANAGroup
	for _, id := range slices.Sorted(maps.Keys(namespaces)) {
		s := k.port.ana[id].Load()
		g := nvmetcp.ANAGroup{ID: id, State: s.state, ChangeCount: s.changes}
		if !groupsOnly {
			g.Namespaces = namespaces[id]
		}
		groups = append(groups, g)
		changes += s.changes
	}
	// As long as it can get, for nvme-cli reads it in parts of 4 KiB to that
	// length, and an offset beyond the end of a log is an error.
	log := nvmetcp.AppendANALog(make([]byte, 0, maxANALog), changes, groups)
	return append(log, make([]byte, maxANALog-len(log))...)
}

// maxANALog is the size of the ANA log with all groups and all namespaces.
var maxANALog = int((&nvmetcp.IdentifyController{ANAGroups: MaxANAGroup, MaxNamespaces: MaxNSID}).ANALogSize())

// discoveryLog tells of every way to every subsystem. It never changes while
// the target runs: a port that is cut is out of order, not gone.
func (t *Target) discoveryLog() []byte {
	var records []nvmetcp.DiscoveryRecord
	for _, p := range t.ports {
		for _, s := range t.order {
			records = append(records, nvmetcp.DiscoveryRecord{
				TransportID: p.transportID(), Type: nvmetcp.NVMSubsystem, PortID: p.id,
				ControllerID: nvmetcp.DynamicController, AdminQueueSize: maxAdminQueue, SubsystemNQN: s.nqn,
			})
		}
	}
	return nvmetcp.AppendDiscoveryLog(nil, 1, records)
}

// maxAdminQueue is what hosts are told of the size of admin queues (ASQSZ).
const maxAdminQueue = 32
