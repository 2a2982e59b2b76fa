package nvmetcp

import "encoding/binary"

// DataHeader is what H2CData and C2HData say beside the common header.
type DataHeader struct {
	CID uint16
	// TTAG is the transfer tag of the R2T that H2CData answers.
	TTAG uint16
	// Offset and Length are the part of the command's data, in bytes.
	Offset, Length uint32
	// Last is set in the last PDU of a transfer.
	Last bool
	// Success is set where C2HData also completes its command.
	Success bool
}

// Ready is an R2T: the controller is ready for a part of a command's data.
type Ready struct {
	CID, TTAG      uint16
	Offset, Length uint32
}

// AppendCommand appends a CapsuleCmd up to its data: the caller appends the
// data, if there is any, and its digest.
func (f Framing) AppendCommand(b []byte, c *Command, dataLength int) []byte {
	start := len(b)
	b = f.appendHeader(b, CapsuleCmd, 0, dataLength)
	return f.seal(c.Append(b), start, CapsuleCmd, dataLength)
}

// AppendCompletion appends a CapsuleResp.
func (f Framing) AppendCompletion(b []byte, c Completion) []byte {
	start := len(b)
	b = f.appendHeader(b, CapsuleResp, 0, 0)
	return f.seal(c.Append(b), start, CapsuleResp, 0)
}

// AppendH2CData appends an H2CData up to its data.
func (f Framing) AppendH2CData(b []byte, d DataHeader) []byte { return f.appendData(b, H2CData, d) }

// AppendC2HData appends a C2HData up to its data.
func (f Framing) AppendC2HData(b []byte, d DataHeader) []byte { return f.appendData(b, C2HData, d) }

func (f Framing) appendData(b []byte, t PDUType, d DataHeader) []byte {
	var flags uint8
	if d.Last {
		flags |= flagLast
	}
	if d.Success {
		flags |= flagSuccess
	}
	start := len(b)
	b = f.appendHeader(b, t, flags, int(d.Length))
	return f.seal(appendTransfer(b, Ready{d.CID, d.TTAG, d.Offset, d.Length}), start, t, int(d.Length))
}

// AppendR2T appends an R2T.
func (f Framing) AppendR2T(b []byte, r Ready) []byte {
	start := len(b)
	b = f.appendHeader(b, R2T, 0, 0)
	return f.seal(appendTransfer(b, r), start, R2T, 0)
}

func appendTransfer(b []byte, r Ready) []byte {
	b = binary.LittleEndian.AppendUint16(b, r.CID)
	b = binary.LittleEndian.AppendUint16(b, r.TTAG)
	b = binary.LittleEndian.AppendUint32(b, r.Offset)
	b = binary.LittleEndian.AppendUint32(b, r.Length)
	return append(b, 0, 0, 0, 0)
}

// ParseCapsuleCommand reads the command from the header of a CapsuleCmd.
func ParseCapsuleCommand(b []byte) (Command, error) {
	if len(b) < int(headerSize[CapsuleCmd]) {
		return Command{}, errShort
	}
	return ParseCommand(b[CommonHeaderSize:])
}

// ParseCapsuleCompletion reads the completion from the header of a CapsuleResp.
func ParseCapsuleCompletion(b []byte) (Completion, error) {
	if len(b) < int(headerSize[CapsuleResp]) {
		return Completion{}, errShort
	}
	return ParseCompletion(b[CommonHeaderSize:])
}

// ParseData reads the header of an H2CData or C2HData. That its length agrees
// with that of the PDU is checked; whether it fits its command is for the
// caller to judge.
func (f Framing) ParseData(h Header, b []byte) (DataHeader, error) {
	r, err := parseTransfer(b)
	d := DataHeader{
		CID: r.CID, TTAG: r.TTAG, Offset: r.Offset, Length: r.Length,
		Last: h.Last(), Success: h.Type == C2HData && h.Success(),
	}
	if err == nil && uint64(d.Length) != uint64(f.DataLength(h)) {
		err = Violation(InvalidHeaderField, 16, "%s: %d bytes of data, the PDU has %d", h.Type, d.Length, f.DataLength(h))
	}
	return d, err
}

// ParseR2T reads an R2T from its header.
func ParseR2T(b []byte) (Ready, error) { return parseTransfer(b) }

func parseTransfer(b []byte) (Ready, error) {
	if len(b) < int(headerSize[R2T]) {
		return Ready{}, errShort
	}
	return Ready{
		CID:    binary.LittleEndian.Uint16(b[8:]),
		TTAG:   binary.LittleEndian.Uint16(b[10:]),
		Offset: binary.LittleEndian.Uint32(b[12:]),
		Length: binary.LittleEndian.Uint32(b[16:]),
	}, nil
}
