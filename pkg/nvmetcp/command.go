package nvmetcp

import (
	"encoding/binary"

	"github.com/braid-csi/braid/pkg/nvme"
)

const (
	// CommandSize is the size of a submission queue entry.
	CommandSize = 64
	// CompletionSize is the size of a completion queue entry.
	CompletionSize = 16
)

// Command is a submission queue entry. Fabrics commands have their type where
// others have the NSID; see FabricsType.
type Command struct {
	Opcode Opcode
	Flags  uint8
	CID    uint16
	NSID   uint32
	SGL    SGL
	// Dwords are CDW10 to CDW15.
	Dwords [6]uint32
}

// SGLType is the type and subtype of an SGL descriptor.
type SGLType uint8

// The SGL descriptors of NVMe over TCP.
const (
	// SGLInCapsule: the data follows in the capsule (data block, offset).
	SGLInCapsule SGLType = 0x01
	// SGLTransport: the transport carries the data in PDUs of its own.
	SGLTransport SGLType = 0x5a
)

// SGL describes the data of a command.
type SGL struct {
	// Offset is that of the data in the capsule.
	Offset uint64
	Length uint32
	Type   SGLType
}

// flagSGL in Command.Flags says that the command has an SGL (PSDT 01b), which
// is so for all commands over fabrics.
const flagSGL = 0x40

// Append appends the 64 bytes of the command.
func (c *Command) Append(b []byte) []byte {
	b = append(b, byte(c.Opcode), c.Flags|flagSGL)
	b = binary.LittleEndian.AppendUint16(b, c.CID)
	b = binary.LittleEndian.AppendUint32(b, c.NSID)
	b = binary.LittleEndian.AppendUint64(b, 0)
	b = binary.LittleEndian.AppendUint64(b, 0)
	b = binary.LittleEndian.AppendUint64(b, c.SGL.Offset)
	b = binary.LittleEndian.AppendUint32(b, c.SGL.Length)
	b = append(b, 0, 0, 0, byte(c.SGL.Type))
	for _, d := range c.Dwords {
		b = binary.LittleEndian.AppendUint32(b, d)
	}
	return b
}

// ParseCommand reads the command at the start of b.
func ParseCommand(b []byte) (Command, error) {
	if len(b) < CommandSize {
		return Command{}, errShort
	}
	c := Command{
		Opcode: Opcode(b[0]),
		Flags:  b[1],
		CID:    binary.LittleEndian.Uint16(b[2:]),
		NSID:   binary.LittleEndian.Uint32(b[4:]),
		SGL: SGL{
			Offset: binary.LittleEndian.Uint64(b[24:]),
			Length: binary.LittleEndian.Uint32(b[32:]),
			Type:   SGLType(b[39]),
		},
	}
	for i := range c.Dwords {
		c.Dwords[i] = binary.LittleEndian.Uint32(b[40+4*i:])
	}
	return c, nil
}

// Completion is a completion queue entry.
type Completion struct {
	// Result is what the command answers, if it does (dwords 0 and 1).
	Result uint64
	// SQHead is the head of the submission queue, for its flow control.
	SQHead uint16
	SQID   uint16
	CID    uint16
	Status nvme.Status
}

// Append appends the 16 bytes of the completion.
func (c Completion) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, c.Result)
	b = binary.LittleEndian.AppendUint16(b, c.SQHead)
	b = binary.LittleEndian.AppendUint16(b, c.SQID)
	b = binary.LittleEndian.AppendUint16(b, c.CID)
	return binary.LittleEndian.AppendUint16(b, uint16(c.Status)<<1) // above the phase bit
}

// ParseCompletion reads the completion at the start of b.
func ParseCompletion(b []byte) (Completion, error) {
	if len(b) < CompletionSize {
		return Completion{}, errShort
	}
	return Completion{
		Result: binary.LittleEndian.Uint64(b),
		SQHead: binary.LittleEndian.Uint16(b[8:]),
		SQID:   binary.LittleEndian.Uint16(b[10:]),
		CID:    binary.LittleEndian.Uint16(b[12:]),
		Status: nvme.Status(binary.LittleEndian.Uint16(b[14:]) >> 1),
	}, nil
}
