package nvmetcp

import (
	"encoding/binary"
	"fmt"
)

// FatalStatus is why a connection ends (FES of a TermReq).
type FatalStatus uint16

// The fatal statuses (TCP Transport Specification, figures 29 and 31).
const (
	InvalidHeaderField   FatalStatus = 1
	SequenceError        FatalStatus = 2
	HeaderDigestError    FatalStatus = 3
	DataOutOfRange       FatalStatus = 4
	TransferLimit        FatalStatus = 5
	UnsupportedParameter FatalStatus = 6
)

var fatalNames = [...]string{
	InvalidHeaderField: "invalid PDU header field", SequenceError: "PDU sequence error", HeaderDigestError: "header digest error",
	DataOutOfRange: "data transfer out of range", TransferLimit: "data transfer limit exceeded", UnsupportedParameter: "unsupported parameter",
}

func (s FatalStatus) String() string {
	if int(s) < len(fatalNames) && fatalNames[s] != "" {
		return fatalNames[s]
	}
	return fmt.Sprintf("fatal error status %d", uint16(s))
}

// formatVersion is the only version of the PDU format there is (PFV).
const formatVersion = 0

// MinMaxData is the least that a controller may give as MaxData.
const MinMaxData = 4096

// InitRequest is what an ICReq says.
type InitRequest struct {
	// PDA is the alignment of data that the host wants (HPDA): 0 to 31, in
	// units of 4 bytes, 0-based.
	PDA     uint8
	Digests Digests
	// MaxR2T is how many R2Ts a command may have outstanding, 0-based.
	MaxR2T uint32
}

// InitResponse is what an ICResp says.
type InitResponse struct {
	// PDA is the alignment of data that the controller wants (CPDA).
	PDA     uint8
	Digests Digests
	// MaxData is the most data that one H2CData may have, in bytes.
	MaxData uint32
}

// AppendInitRequest appends an ICReq.
func AppendInitRequest(b []byte, r InitRequest) []byte {
	return appendInit(b, ICReq, r.PDA, r.Digests, r.MaxR2T)
}

// AppendInitResponse appends an ICResp.
func AppendInitResponse(b []byte, r InitResponse) []byte {
	return appendInit(b, ICResp, r.PDA, r.Digests, r.MaxData)
}

func appendInit(b []byte, t PDUType, pda uint8, d Digests, limit uint32) []byte {
	start := len(b)
	b = Framing{}.appendHeader(b, t, 0, 0)
	b = binary.LittleEndian.AppendUint16(b, formatVersion)
	b = append(b, pda, byte(d))
	b = binary.LittleEndian.AppendUint32(b, limit)
	return append(b, make([]byte, MaxHeaderSize-(len(b)-start))...)
}

// ParseInitRequest reads an ICReq from its header.
func ParseInitRequest(b []byte) (InitRequest, error) {
	pda, d, limit, err := parseInit(ICReq, b)
	return InitRequest{PDA: pda, Digests: d, MaxR2T: limit}, err
}

// ParseInitResponse reads an ICResp from its header.
func ParseInitResponse(b []byte) (InitResponse, error) {
	pda, d, limit, err := parseInit(ICResp, b)
	if err == nil && limit < MinMaxData {
		err = Violation(UnsupportedParameter, 12, "%s: MAXH2CDATA %d is less than %d", ICResp, limit, MinMaxData)
	}
	return InitResponse{PDA: pda, Digests: d, MaxData: limit}, err
}

func parseInit(t PDUType, b []byte) (pda uint8, d Digests, limit uint32, err error) {
	if len(b) < MaxHeaderSize {
		return 0, 0, 0, errShort
	}
	pda, d, limit = b[10], Digests(b[11]), binary.LittleEndian.Uint32(b[12:])
	switch version := binary.LittleEndian.Uint16(b[8:]); {
	case version != formatVersion:
		err = Violation(UnsupportedParameter, 8, "%s: PDU format version %d", t, version)
	case pda > maxPDA:
		err = Violation(InvalidHeaderField, 10, "%s: data alignment %d", t, pda)
	case d&^(HeaderDigest|DataDigest) != 0:
		err = Violation(InvalidHeaderField, 11, "%s: digests 0x%02x", t, uint8(d))
	}
	return pda, d, limit, err
}

// AppendTermReq appends the TermReq for what is wrong with the PDU that begins
// with offending, of which it quotes the beginning.
func AppendTermReq(b []byte, t PDUType, e *ProtocolError, offending []byte) []byte {
	offending = offending[:min(len(offending), maxTermData)]
	b = append(b, byte(t), 0, headerSize[t], 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(headerSize[t])+uint32(len(offending)))
	b = binary.LittleEndian.AppendUint16(b, uint16(e.Status))
	b = binary.LittleEndian.AppendUint32(b, e.Info)
	b = append(b, make([]byte, 10)...)
	return append(b, offending...)
}

// ParseTermReq reads why the other end gives up, from the PDU's header.
func ParseTermReq(b []byte) (*ProtocolError, error) {
	if len(b) < int(headerSize[H2CTermReq]) {
		return nil, errShort
	}
	return &ProtocolError{
		Status: FatalStatus(binary.LittleEndian.Uint16(b[8:])),
		Info:   binary.LittleEndian.Uint32(b[10:]),
		reason: "the other end says so",
	}, nil
}
