package target

import (
	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// anaTransitionTime is for how long a group may be in the state change before
// hosts give the path up (ANATT), in seconds.
const anaTransitionTime = 10

// identify returns what an Identify command asks for.
func (k *controller) identify(cmd *nvmetcp.Command) ([]byte, nvme.Status) {
	if cmd.SGL.Length < nvmetcp.IdentifySize {
		return nil, nvme.StatusSGLDataLengthInvalid | nvme.DNR
	}
	what := cmd.IdentifyWhat()
	if what == nvmetcp.IdentifyControllerID {
		id := k.identity()
		return id.Append(nil), nvme.StatusSuccess
	}
	if k.subsystem.discovery {
		return nil, nvme.StatusInvalidField | nvme.DNR
	}
	switch what {
	case nvmetcp.IdentifyNamespaceID:
		return k.identifyNamespace(cmd.NSID)
	case nvmetcp.IdentifyActiveID:
		return k.activeNamespaces(cmd.NSID)
	case nvmetcp.IdentifyDescriptorsID:
		return k.describeNamespace(cmd.NSID)
	case nvmetcp.IdentifyCSIControllerID:
		// No limits but MDTS: all zeros. Command set 0 is NVM.
		if cmd.Dwords[1]>>24 == 0 {
			return make([]byte, nvmetcp.IdentifySize), nvme.StatusSuccess
		}
	}
	return nil, nvme.StatusInvalidField | nvme.DNR
}

// identity is the identify data of the controller. Linux refuses one whose
// KAS, IOCCSZ, IORCSZ, SGLS, MNAN, CNTLID or CNTRLTYPE it does not like
// (drivers/nvme/host/core.c, nvme_init_identify and nvme_check_ctrl_fabric_info).
func (k *controller) identity() nvmetcp.IdentifyController {
	s := k.subsystem
	id := nvmetcp.IdentifyController{
		Serial: s.serial, Model: s.model, Firmware: "1",
		ControllerID: k.id, Version: nvmetcp.Version14,
		AsyncEventLimit: maxEventRequests - 1, AbortLimit: 3,
		LogAttributes:        nvmetcp.LPAExtended,
		KeepAliveGranularity: 1,
		MaxCommands:          maxQueueSize,
		SGLs:                 nvmetcp.SGLSSupported | nvmetcp.SGLSInCapsuleOffset,
		SubsystemNQN:         s.nqn,
		MaxTransfer:          8, // 2^8 pages of 4 KiB: maxTransfer
	}
	if s.traffic {
		id.Attributes |= nvmetcp.CTRATTTrafficKATO
	}
	if s.discovery {
		id.Type = nvmetcp.DiscoveryController
		id.Events = nvmetcp.NoticeDiscovery
		return id
	}
	id.Type = nvmetcp.IOController
	id.Events = nvmetcp.NoticeANA | nvmetcp.NoticeNamespaces
	id.MultiPath = nvmetcp.CMICMultiPort | nvmetcp.CMICMultiController | nvmetcp.CMICANA
	id.ANATransitionTime = anaTransitionTime
	id.ANACapabilities = nvmetcp.ANACAPAllStates
	id.MaxANAGroupID, id.ANAGroups = MaxANAGroup, MaxANAGroup
	id.QuiesceTime = uint16(s.quiesce.Milliseconds())
	id.Namespaces, id.MaxNamespaces = MaxNSID, MaxNSID
	id.Optional = nvmetcp.ONCSCompare | nvmetcp.ONCSDatasetMgmt | nvmetcp.ONCSWriteZeroes
	id.WriteCache = nvmetcp.VWCPresent
	id.CapsuleCommandSize = (nvmetcp.CommandSize + inCapsule) / 16
	id.CapsuleResponseSize = nvmetcp.CompletionSize / 16
	return id
}

func (k *controller) identifyNamespace(nsid uint32) ([]byte, nvme.Status) {
	if nsid == 0 || nsid > MaxNSID {
		return nil, nvme.StatusInvalidNamespace | nvme.DNR
	}
	n := k.subsystem.namespaces[nsid]
	if n == nil { // inactive
		return make([]byte, nvmetcp.IdentifySize), nvme.StatusSuccess
	}
	id := nvmetcp.IdentifyNamespace{
		Blocks: uint64(n.Size()) >> n.blockShift, BlockShift: n.blockShift,
		Thin: true, Shared: true, ReadsZero: true, ANAGroupID: n.group,
	}
	return id.Append(nil), nvme.StatusSuccess
}

// activeNamespaces lists the NSIDs after the one given.
func (k *controller) activeNamespaces(after uint32) ([]byte, nvme.Status) {
	if after >= 0xfffffffe {
		return nil, nvme.StatusInvalidNamespace | nvme.DNR
	}
	var list []uint32
	for _, nsid := range k.subsystem.nsids {
		if nsid > after {
			list = append(list, nsid)
		}
	}
	return nvmetcp.AppendActiveNamespaces(nil, list), nvme.StatusSuccess
}

func (k *controller) describeNamespace(nsid uint32) ([]byte, nvme.Status) {
	n := k.subsystem.namespaces[nsid]
	if n == nil {
		return nil, nvme.StatusInvalidNamespace | nvme.DNR
	}
	b, err := nvmetcp.AppendNamespaceDescriptors(nil, n.ids)
	if err != nil {
		return nil, nvme.StatusInternalError | nvme.DNR
	}
	return b, nvme.StatusSuccess
}
