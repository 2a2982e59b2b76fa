package nvmetcp

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// PDUType says what a PDU is (TCP Transport Specification, figure 24).
type PDUType uint8

// The PDU types.
const (
	ICReq       PDUType = 0x00
	ICResp      PDUType = 0x01
	H2CTermReq  PDUType = 0x02
	C2HTermReq  PDUType = 0x03
	CapsuleCmd  PDUType = 0x04
	CapsuleResp PDUType = 0x05
	H2CData     PDUType = 0x06
	C2HData     PDUType = 0x07
	R2T         PDUType = 0x09
)

var pduNames = [...]string{
	ICReq: "ICReq", ICResp: "ICResp", H2CTermReq: "H2CTermReq", C2HTermReq: "C2HTermReq",
	CapsuleCmd: "CapsuleCmd", CapsuleResp: "CapsuleResp", H2CData: "H2CData", C2HData: "C2HData", R2T: "R2T",
}

func (t PDUType) String() string {
	if int(t) < len(pduNames) && pduNames[t] != "" {
		return pduNames[t]
	}
	return fmt.Sprintf("PDU type 0x%02x", uint8(t))
}

// Flags of the common header.
const (
	flagHeaderDigest = 0x01
	flagDataDigest   = 0x02
	flagLast         = 0x04
	flagSuccess      = 0x08
)

const (
	// CommonHeaderSize is the size of the header that every PDU begins with.
	CommonHeaderSize = 8
	// MaxHeaderSize is the size of the largest header (ICReq and ICResp).
	MaxHeaderSize = 128
	// maxTermData is how much of the offending PDU a TermReq quotes.
	maxTermData = 128
	// MaxTermReqSize is the size of the largest TermReq.
	MaxTermReqSize = 24 + maxTermData
	// maxPDULength keeps lengths within an int of 32 bits.
	maxPDULength = 1 << 30
)

// headerSize is HLEN of each type, 0 for types that do not exist.
var headerSize = [...]uint8{
	ICReq: 128, ICResp: 128, H2CTermReq: 24, C2HTermReq: 24,
	CapsuleCmd: 72, CapsuleResp: 24, H2CData: 24, C2HData: 24, R2T: 24,
}

// hasDigests tells whether the digests that were agreed on apply to the type.
func (t PDUType) hasDigests() bool { return t >= CapsuleCmd }

// mayHaveData tells whether data can follow the header.
func (t PDUType) mayHaveData() bool {
	switch t {
	case CapsuleCmd, H2CData, C2HData, H2CTermReq, C2HTermReq:
		return true
	}
	return false
}

// Header is the common header of a PDU.
type Header struct {
	Type  PDUType
	Flags uint8
	// HLEN is the length of the header without its digest.
	HLEN uint8
	// PDO is where the data begins, 0 if there is none.
	PDO uint8
	// PLEN is the length of the whole PDU.
	PLEN uint32
}

// Last tells whether H2CData or C2HData is the last of its transfer.
func (h Header) Last() bool { return h.Flags&flagLast != 0 }

// Success tells whether C2HData also completes its command.
func (h Header) Success() bool { return h.Flags&flagSuccess != 0 }

// ProtocolError is what is wrong with a PDU, as a TermReq tells the other end.
// The connection cannot go on.
type ProtocolError struct {
	// Status is the fatal error status (FES).
	Status FatalStatus
	// Info is the fatal error information (FEI): for an invalid header field,
	// the offset of that field in the PDU.
	Info   uint32
	reason string
}

func (e *ProtocolError) Error() string { return e.Status.String() + ": " + e.reason }

// Violation returns a ProtocolError; the reason is for people.
func Violation(status FatalStatus, info uint32, format string, args ...any) error {
	return &ProtocolError{Status: status, Info: info, reason: fmt.Sprintf(format, args...)}
}

var errShort = errors.New("shorter than a header")

// ParseHeader reads the common header at the start of b and checks everything
// that it says against the type and against what was agreed on. The error is a
// ProtocolError unless b is too short.
func (f Framing) ParseHeader(b []byte) (Header, error) {
	if len(b) < CommonHeaderSize {
		return Header{}, errShort
	}
	h := Header{Type: PDUType(b[0]), Flags: b[1], HLEN: b[2], PDO: b[3], PLEN: binary.LittleEndian.Uint32(b[4:])}
	if int(h.Type) >= len(headerSize) || headerSize[h.Type] == 0 {
		return h, Violation(InvalidHeaderField, 0, "%s", h.Type)
	}
	if h.HLEN != headerSize[h.Type] {
		return h, Violation(InvalidHeaderField, 2, "%s: header length %d, want %d", h.Type, h.HLEN, headerSize[h.Type])
	}
	if h.PLEN > maxPDULength {
		return h, Violation(InvalidHeaderField, 4, "%s: length %d", h.Type, h.PLEN)
	}
	if h.Type.hasDigests() && (h.Flags&flagHeaderDigest != 0) != f.Digests.Has(HeaderDigest) {
		return h, Violation(InvalidHeaderField, 1, "%s: flags 0x%02x do not agree on the header digest", h.Type, h.Flags)
	}
	return h, f.checkLength(h)
}

// checkLength checks PLEN, PDO and the flag of the data digest.
func (f Framing) checkLength(h Header) error {
	bare := uint32(f.headerEnd(h.Type))
	if h.PLEN == bare {
		return nil
	}
	if !h.Type.mayHaveData() || h.PLEN < bare {
		return Violation(InvalidHeaderField, 4, "%s: length %d, want %d", h.Type, h.PLEN, bare)
	}
	if !h.Type.hasDigests() { // a TermReq quotes without an offset
		if h.PLEN > bare+maxTermData {
			return Violation(InvalidHeaderField, 4, "%s: length %d, at most %d", h.Type, h.PLEN, bare+maxTermData)
		}
		return nil
	}
	if (h.Flags&flagDataDigest != 0) != f.Digests.Has(DataDigest) {
		return Violation(InvalidHeaderField, 1, "%s: flags 0x%02x do not agree on the data digest", h.Type, h.Flags)
	}
	if uint32(h.PDO) < bare || h.PDO%4 != 0 {
		return Violation(InvalidHeaderField, 3, "%s: data offset %d", h.Type, h.PDO)
	}
	if h.PLEN <= uint32(h.PDO)+uint32(f.dataDigestSize()) {
		return Violation(InvalidHeaderField, 4, "%s: length %d leaves no data after offset %d", h.Type, h.PLEN, h.PDO)
	}
	return nil
}

// DataLength is how many bytes of data the PDU has, without padding and
// digest.
func (f Framing) DataLength(h Header) int {
	bare := f.headerEnd(h.Type)
	switch {
	case h.PLEN <= uint32(bare):
		return 0
	case !h.Type.hasDigests():
		return int(h.PLEN) - bare
	}
	return int(h.PLEN) - int(h.PDO) - f.dataDigestSize()
}
