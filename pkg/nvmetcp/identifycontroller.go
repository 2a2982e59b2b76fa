package nvmetcp

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/braid-csi/braid/pkg/nvme"
)

// ControllerType is what a controller is for (CNTRLTYPE).
type ControllerType uint8

// The controller types.
const (
	ControllerTypeUnknown ControllerType = 0 // before NVMe 1.4
	IOController          ControllerType = 1
	DiscoveryController   ControllerType = 2
	AdminController       ControllerType = 3
)

// Bits of fields of IdentifyController.
const (
	CMICMultiPort        = 1 << 0
	CMICMultiController  = 1 << 1
	CMICANA              = 1 << 3
	CTRATTTrafficKATO    = 1 << 6 // TBKAS
	ONCSCompare          = 1 << 0
	ONCSDatasetMgmt      = 1 << 2
	ONCSWriteZeroes      = 1 << 3
	LPAExtended          = 1 << 2
	VWCPresent           = 1 << 0
	SGLSSupported        = 1 << 0
	SGLSInCapsuleOffset  = 1 << 20
	ANACAPAllStates      = 0x1f
	ANACAPFixedGroupNSID = 1 << 6
)

// IdentifyController is the part of a controller's identify data that Braid
// uses, with the names of the specification in brackets.
type IdentifyController struct {
	Serial, Model, Firmware string
	// MultiPath is the set of CMIC bits.
	MultiPath uint8
	// MaxTransfer is the largest transfer as a power of two of the smallest
	// page, 0 for no limit (MDTS).
	MaxTransfer  uint8
	ControllerID uint16
	Version      Version
	// Events are the notices it can send (OAES).
	Events uint32
	// Attributes is CTRATT.
	Attributes uint32
	Type       ControllerType
	// RetryDelays are CRDT1 to CRDT3, in units of 100 ms.
	RetryDelays [3]uint16
	// AbortLimit and AsyncEventLimit are 0-based (ACL, AERL).
	AbortLimit, AsyncEventLimit uint8
	LogAttributes               uint8 // LPA
	// KeepAliveGranularity is in units of 100 ms, 0 if there is no keep alive
	// (KAS).
	KeepAliveGranularity uint16
	// ANATransitionTime is in seconds (ANATT).
	ANATransitionTime uint8
	ANACapabilities   uint8 // ANACAP
	MaxANAGroupID     uint32
	ANAGroups         uint32 // NANAGRPID
	// QuiesceTime is how long commands may still run after the controller has
	// lost its host, in milliseconds (CQT, TP4129).
	QuiesceTime uint16
	// MaxCommands is how many commands a queue should have outstanding.
	MaxCommands uint16
	// Namespaces is the highest NSID (NN), MaxNamespaces how many there may be
	// (MNAN).
	Namespaces, MaxNamespaces uint32
	// Optional are the optional commands (ONCS).
	Optional     uint16
	WriteCache   uint8  // VWC
	SGLs         uint32 // SGLS
	SubsystemNQN nvme.NQN
	// CapsuleCommandSize and CapsuleResponseSize are the largest capsules, in
	// units of 16 bytes (IOCCSZ, IORCSZ).
	CapsuleCommandSize, CapsuleResponseSize uint32
	// CapsuleDataOffset is where data begins after the command, in units of 16
	// bytes (ICDOFF).
	CapsuleDataOffset uint16
}

// InCapsule is the most data that a command on an I/O queue may carry in its
// capsule, in bytes.
func (c *IdentifyController) InCapsule() int {
	return max(int(c.CapsuleCommandSize)*16-CommandSize, 0)
}

const (
	// maxCapsule bounds IOCCSZ: more than anybody gives, and no int overflows.
	maxCapsule   = 1 << 20
	subnqnOffset = 768
)

// ParseIdentifyController reads the identify data of a controller. What cannot
// be right is an error: it would break whatever is computed from it.
func ParseIdentifyController(b []byte) (IdentifyController, error) {
	if len(b) < IdentifySize {
		return IdentifyController{}, errShort
	}
	le := binary.LittleEndian
	c := IdentifyController{
		Serial: padded(b[4:24]), Model: padded(b[24:64]), Firmware: padded(b[64:72]),
		MultiPath: b[76], MaxTransfer: b[77], ControllerID: le.Uint16(b[78:]), Version: Version(le.Uint32(b[80:])),
		Events: le.Uint32(b[92:]), Attributes: le.Uint32(b[96:]), Type: ControllerType(b[111]),
		RetryDelays: [3]uint16{le.Uint16(b[128:]), le.Uint16(b[130:]), le.Uint16(b[132:])},
		AbortLimit:  b[258], AsyncEventLimit: b[259], LogAttributes: b[261],
		KeepAliveGranularity: le.Uint16(b[320:]),
		ANATransitionTime:    b[342], ANACapabilities: b[343], MaxANAGroupID: le.Uint32(b[344:]), ANAGroups: le.Uint32(b[348:]),
		QuiesceTime: le.Uint16(b[386:]), MaxCommands: le.Uint16(b[514:]),
		Namespaces: le.Uint32(b[516:]), MaxNamespaces: le.Uint32(b[540:]), Optional: le.Uint16(b[520:]),
		WriteCache: b[525], SGLs: le.Uint32(b[536:]),
		CapsuleCommandSize: le.Uint32(b[1792:]), CapsuleResponseSize: le.Uint32(b[1796:]), CapsuleDataOffset: le.Uint16(b[1800:]),
	}
	var err error
	if c.SubsystemNQN, err = parseNQN(b[subnqnOffset:]); err != nil {
		return c, fmt.Errorf("identify controller: SUBNQN: %w", err)
	}
	if err := c.check(); err != nil {
		return c, fmt.Errorf("identify controller: %w", err)
	}
	return c, nil
}

func (c *IdentifyController) check() error {
	io := c.Type == IOController
	switch {
	case c.CapsuleCommandSize > maxCapsule, io && c.InCapsule() == 0 && c.CapsuleCommandSize < CommandSize/16:
		return fmt.Errorf("IOCCSZ %d", c.CapsuleCommandSize)
	case io && c.CapsuleResponseSize < CompletionSize/16:
		return fmt.Errorf("IORCSZ %d", c.CapsuleResponseSize)
	case c.CapsuleDataOffset != 0:
		return fmt.Errorf("ICDOFF %d, NVMe over TCP has 0", c.CapsuleDataOffset)
	case c.MultiPath&CMICANA != 0 && (c.ANATransitionTime == 0 || c.ANAGroups == 0 || c.ANAGroups > c.MaxANAGroupID):
		return fmt.Errorf("ANATT %d, NANAGRPID %d, ANAGRPMAX %d", c.ANATransitionTime, c.ANAGroups, c.MaxANAGroupID)
	case c.MaxNamespaces > c.Namespaces:
		return fmt.Errorf("MNAN %d is more than NN %d", c.MaxNamespaces, c.Namespaces)
	case io && c.KeepAliveGranularity == 0:
		return errors.New("KAS 0: no keep alive, which is mandatory over fabrics")
	}
	return nil
}

// Append appends the 4096 bytes of a controller's identify data.
func (c *IdentifyController) Append(b []byte) []byte {
	start := len(b)
	b = append(b, make([]byte, IdentifySize)...)
	p, le := b[start:], binary.LittleEndian
	putPadded(p[4:24], c.Serial)
	putPadded(p[24:64], c.Model)
	putPadded(p[64:72], c.Firmware)
	p[76], p[77] = c.MultiPath, c.MaxTransfer
	le.PutUint16(p[78:], c.ControllerID)
	le.PutUint32(p[80:], uint32(c.Version))
	le.PutUint32(p[92:], c.Events)
	le.PutUint32(p[96:], c.Attributes)
	p[111] = byte(c.Type)
	for i, d := range c.RetryDelays {
		le.PutUint16(p[128+2*i:], d)
	}
	p[258], p[259], p[261] = c.AbortLimit, c.AsyncEventLimit, c.LogAttributes
	le.PutUint16(p[320:], c.KeepAliveGranularity)
	p[342], p[343] = c.ANATransitionTime, c.ANACapabilities
	le.PutUint32(p[344:], c.MaxANAGroupID)
	le.PutUint32(p[348:], c.ANAGroups)
	le.PutUint16(p[386:], c.QuiesceTime)
	p[512], p[513] = 0x66, 0x44 // SQES, CQES: entries of 64 and 16 bytes
	le.PutUint16(p[514:], c.MaxCommands)
	le.PutUint32(p[516:], c.Namespaces)
	le.PutUint16(p[520:], c.Optional)
	p[525] = c.WriteCache
	le.PutUint32(p[536:], c.SGLs)
	le.PutUint32(p[540:], c.MaxNamespaces)
	copy(p[subnqnOffset:][:nvme.MaxNQNLength], c.SubsystemNQN)
	le.PutUint32(p[1792:], c.CapsuleCommandSize)
	le.PutUint32(p[1796:], c.CapsuleResponseSize)
	le.PutUint16(p[1800:], c.CapsuleDataOffset)
	return b
}
