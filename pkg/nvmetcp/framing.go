package nvmetcp

import (
	"encoding/binary"
	"hash/crc32"
)

// Digests is a set of digests, as the DGST field of ICReq and ICResp has it.
type Digests uint8

// The digests: CRC32C over the header, and over the data.
const (
	HeaderDigest Digests = 1 << 0
	DataDigest   Digests = 1 << 1
)

// Has tells whether d contains all of want.
func (d Digests) Has(want Digests) bool { return d&want == want }

// DigestSize is the size of a digest.
const DigestSize = 4

// Framing is what the ends of a connection agreed on with ICReq and ICResp. The
// zero Framing is that of the time before.
type Framing struct {
	Digests Digests
	// PDA is the alignment of data in what we send, as the other end gave it
	// (HPDA or CPDA): 0-based, in units of 4 bytes.
	PDA uint8
}

// maxPDA is the largest alignment there is, 128 bytes.
const maxPDA = 31

// headerEnd is where the header and its digest end.
func (f Framing) headerEnd(t PDUType) int {
	n := int(headerSize[t])
	if t.hasDigests() && f.Digests.Has(HeaderDigest) {
		n += DigestSize
	}
	return n
}

// dataOffset is where we put the data.
func (f Framing) dataOffset(t PDUType) int {
	align := (int(f.PDA) + 1) * 4
	return (f.headerEnd(t) + align - 1) / align * align
}

func (f Framing) dataDigestSize() int {
	if f.Digests.Has(DataDigest) {
		return DigestSize
	}
	return 0
}

// Overhead is at most how many bytes a PDU of the type has beside its data.
func (f Framing) Overhead(t PDUType) int { return f.dataOffset(t) + f.dataDigestSize() }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Digest returns the digest of b: CRC32C.
func Digest(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// UpdateDigest continues a digest; the first is that of nothing, 0.
func UpdateDigest(digest uint32, b []byte) uint32 { return crc32.Update(digest, castagnoli, b) }

// appendHeader begins a PDU with the common header; the caller appends the rest
// of the header and then calls seal.
func (f Framing) appendHeader(b []byte, t PDUType, flags uint8, dataLength int) []byte {
	plen, pdo := f.headerEnd(t), 0
	if dataLength > 0 {
		pdo = f.dataOffset(t)
		plen = pdo + dataLength
		if f.Digests.Has(DataDigest) {
			plen += DigestSize
			flags |= flagDataDigest
		}
	}
	if f.Digests.Has(HeaderDigest) {
		flags |= flagHeaderDigest
	}
	b = append(b, byte(t), flags, headerSize[t], byte(pdo))
	return binary.LittleEndian.AppendUint32(b, uint32(plen))
}

// padding is as long as padding can be.
var padding [(maxPDA + 1) * 4]byte

// seal ends the header that begins at start: the digest, and padding up to
// where the data goes.
func (f Framing) seal(b []byte, start int, t PDUType, dataLength int) []byte {
	if f.Digests.Has(HeaderDigest) {
		b = binary.LittleEndian.AppendUint32(b, Digest(b[start:]))
	}
	if dataLength > 0 {
		b = append(b, padding[:f.dataOffset(t)-f.headerEnd(t)]...)
	}
	return b
}

// AppendDataDigest ends a PDU with the digest of its data, if data has digests.
func (f Framing) AppendDataDigest(b, data []byte) []byte {
	if !f.Digests.Has(DataDigest) {
		return b
	}
	return binary.LittleEndian.AppendUint32(b, Digest(data))
}

// CheckHeaderDigest checks the digest of a header; b begins with the PDU and
// has its header and digest.
func (f Framing) CheckHeaderDigest(h Header, b []byte) error {
	if !h.Type.hasDigests() || !f.Digests.Has(HeaderDigest) {
		return nil
	}
	n := int(h.HLEN)
	if len(b) < n+DigestSize {
		return errShort
	}
	got, want := Digest(b[:n]), binary.LittleEndian.Uint32(b[n:])
	if got != want {
		return Violation(HeaderDigestError, want, "%s: header digest 0x%08x, the header has 0x%08x", h.Type, want, got)
	}
	return nil
}
