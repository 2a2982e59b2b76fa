package nvmetcp

import (
	"encoding/binary"
	"fmt"

	"github.com/braid-csi/braid/pkg/nvme"
)

// ConnectDataSize is the size of a Connect command's data.
const ConnectDataSize = 1024

// DynamicController as controller ID asks the subsystem to make a controller.
const DynamicController uint16 = 0xffff

// ConnectRequest is what a Connect command asks for, beside its data.
type ConnectRequest struct {
	Format  uint16
	QueueID uint16
	// QueueSize is the number of entries of the submission queue, 0-based.
	QueueSize uint16
	// NoFlowControl disables the flow control of the submission queue.
	NoFlowControl bool
	// KeepAlive is KATO in milliseconds, 0 for none; admin queue only.
	KeepAlive uint32
}

const attrNoFlowControl = 1 << 2

// SetConnect makes c connect a queue.
func (c *Command) SetConnect(r ConnectRequest) {
	c.Opcode, c.NSID = Fabrics, uint32(Connect)
	c.Dwords[0] = uint32(r.Format) | uint32(r.QueueID)<<16
	c.Dwords[1] = uint32(r.QueueSize)
	if r.NoFlowControl {
		c.Dwords[1] |= attrNoFlowControl << 16
	}
	c.Dwords[2] = r.KeepAlive
}

// Connect is what the Connect command c asks for.
func (c *Command) Connect() ConnectRequest {
	return ConnectRequest{
		Format:        uint16(c.Dwords[0]),
		QueueID:       uint16(c.Dwords[0] >> 16),
		QueueSize:     uint16(c.Dwords[1]),
		NoFlowControl: c.Dwords[1]>>16&attrNoFlowControl != 0,
		KeepAlive:     c.Dwords[2],
	}
}

// ConnectData is the data of a Connect command: who wants to reach what.
type ConnectData struct {
	HostID       [16]byte
	ControllerID uint16
	SubsystemNQN nvme.NQN
	HostNQN      nvme.NQN
}

// Offsets in a Connect command and its data, which a controller names when it
// finds a parameter invalid.
const (
	ConnectAtQueueID      = 42
	ConnectAtQueueSize    = 44
	ConnectAtControllerID = 16
	ConnectAtSubsystemNQN = 256
	ConnectAtHostNQN      = 512
)

const nqnField = 256

// Append appends the 1024 bytes of a Connect command's data.
func (d ConnectData) Append(b []byte) []byte {
	start := len(b)
	b = append(b, make([]byte, ConnectDataSize)...)
	p := b[start:]
	copy(p, d.HostID[:])
	binary.LittleEndian.PutUint16(p[ConnectAtControllerID:], d.ControllerID)
	copy(p[ConnectAtSubsystemNQN:][:nvme.MaxNQNLength], d.SubsystemNQN)
	copy(p[ConnectAtHostNQN:][:nvme.MaxNQNLength], d.HostNQN)
	return b
}

// ConnectError says which field of a Connect command's data is wrong.
type ConnectError struct {
	// Offset is that of the field in the data.
	Offset uint16
	err    error
}

func (e *ConnectError) Error() string { return e.err.Error() }
func (e *ConnectError) Unwrap() error { return e.err }

// ParseConnectData reads the data of a Connect command. The error is a
// ConnectError unless b is too short.
func ParseConnectData(b []byte) (ConnectData, error) {
	if len(b) < ConnectDataSize {
		return ConnectData{}, errShort
	}
	d := ConnectData{HostID: [16]byte(b), ControllerID: binary.LittleEndian.Uint16(b[ConnectAtControllerID:])}
	var err error
	if d.SubsystemNQN, err = parseNQN(b[ConnectAtSubsystemNQN:]); err != nil {
		return d, &ConnectError{ConnectAtSubsystemNQN, fmt.Errorf("subsystem NQN: %w", err)}
	}
	if d.HostNQN, err = parseNQN(b[ConnectAtHostNQN:]); err != nil {
		return d, &ConnectError{ConnectAtHostNQN, fmt.Errorf("host NQN: %w", err)}
	}
	return d, nil
}

// parseNQN reads the field of 256 bytes at the start of b.
func parseNQN(b []byte) (nvme.NQN, error) { return nvme.ParseNQN(cString(b[:nqnField])) }

// ConnectResult is the result of a Connect command that succeeded: the
// controller's ID.
func ConnectResult(controllerID uint16) uint64 { return uint64(controllerID) }

// ParseConnectResult returns the controller's ID, and whether the host must
// authenticate before anything else (AUTHREQ).
func ParseConnectResult(result uint64) (controllerID uint16, authenticate bool) {
	return uint16(result), result>>16&3 != 0
}

// InvalidParameter is the result of a Connect command that failed with
// StatusConnectInvalidParameters: which parameter, and whether it stands in the
// data rather than in the command.
func InvalidParameter(offset uint16, inData bool) uint64 {
	result := uint64(offset)
	if inData {
		result |= 1 << 16
	}
	return result
}

// ParseInvalidParameter reads what InvalidParameter wrote.
func ParseInvalidParameter(result uint64) (offset uint16, inData bool) {
	return uint16(result), result>>16&1 != 0
}
