package nvmetcp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrDataDigest means that data was damaged on its way. Unlike a damaged header
// it costs only its command: the end of the PDU is still known.
var ErrDataDigest = errors.New("data digest error")

// Reader reads PDUs from a connection. It has one buffer: the header that Next
// returns, and the data that Data returns, are views of it and are gone with
// the next call. It checks all digests.
type Reader struct {
	// Framing is what was agreed on. Set it after ICReq and ICResp.
	Framing Framing

	source     io.Reader
	buf        []byte
	start, end int // what was received and not handed out
	header     Header
	left       int // bytes of the PDU after its header and padding
}

// MinReaderSize is the smallest buffer of a Reader, in bytes.
const MinReaderSize = 4096

// NewReader returns a Reader with a buffer of that many bytes, at least
// MinReaderSize.
func NewReader(source io.Reader, size int) *Reader {
	return &Reader{source: source, buf: make([]byte, max(size, MinReaderSize))}
}

// Buffered tells whether the beginning of another PDU was received already. If
// not, Next waits for the other end, and before it is the moment to send what
// was collected.
func (r *Reader) Buffered() bool { return r.end-r.start >= r.left+CommonHeaderSize }

// Next reads a PDU up to its data, and skips what is left of the one before.
// It returns the common header and the bytes of the whole header without the
// digest; with an error, whatever was received of them. The error is io.EOF
// between two PDUs, a ProtocolError for what the other end did wrong, else that
// of the connection.
func (r *Reader) Next() (Header, []byte, error) {
	if err := r.skip(); err != nil {
		return Header{}, nil, err
	}
	if err := r.fill(CommonHeaderSize); err != nil {
		return Header{}, nil, err
	}
	h, err := r.Framing.ParseHeader(r.buf[r.start:r.end])
	if err != nil {
		return h, r.buf[r.start:r.end], err
	}
	n := r.Framing.headerEnd(h.Type)
	if r.Framing.DataLength(h) > 0 {
		n = max(n, int(h.PDO)) // with the padding
	}
	if err := r.fill(n); err != nil {
		return h, nil, unexpected(err)
	}
	b := r.buf[r.start : r.start+n]
	if err := r.Framing.CheckHeaderDigest(h, b); err != nil {
		return h, b[:h.HLEN], err
	}
	r.start += n
	r.header, r.left = h, int(h.PLEN)-n
	return h, b[:h.HLEN], nil
}

// DataLength is how many bytes of data the PDU has that Next returned.
func (r *Reader) DataLength() int { return r.Framing.DataLength(r.header) }

// Data returns the data of the PDU, all of it, in place. Data that is larger
// than the buffer is an error.
func (r *Reader) Data() ([]byte, error) {
	if r.left > len(r.buf) {
		return nil, fmt.Errorf("%s: %d bytes of data do not fit into the buffer", r.header.Type, r.DataLength())
	}
	if err := r.fill(r.left); err != nil {
		return nil, unexpected(err)
	}
	b := r.take(r.left)
	data := b[:r.DataLength()]
	return data, r.checkData(data, b[len(data):])
}

// ReadData reads the data of the PDU into dst, which is as long as the data.
// What was not received yet goes there without a copy.
func (r *Reader) ReadData(dst []byte) error {
	if len(dst) != r.DataLength() {
		return fmt.Errorf("%s: %d bytes of data, room for %d", r.header.Type, r.DataLength(), len(dst))
	}
	n := copy(dst, r.buf[r.start:r.end])
	r.take(n)
	m, err := io.ReadFull(r.source, dst[n:])
	r.left -= m
	if err != nil {
		return unexpected(err)
	}
	if err := r.fill(r.left); err != nil {
		return unexpected(err)
	}
	return r.checkData(dst, r.take(r.left))
}

// checkData checks data against its digest, which is empty where there is none.
func (r *Reader) checkData(data, digest []byte) error {
	if len(digest) < DigestSize {
		return nil
	}
	if got, want := Digest(data), binary.LittleEndian.Uint32(digest); got != want {
		return fmt.Errorf("%s: %w: 0x%08x, the data has 0x%08x", r.header.Type, ErrDataDigest, want, got)
	}
	return nil
}

// take hands out n bytes of the buffer, which are of the PDU.
func (r *Reader) take(n int) []byte {
	b := r.buf[r.start : r.start+n]
	r.start += n
	r.left -= n
	return b
}

// skip drops what is left of the PDU.
func (r *Reader) skip() error {
	for r.left > 0 {
		if r.start == r.end {
			if err := r.fill(1); err != nil {
				return unexpected(err)
			}
		}
		r.take(min(r.left, r.end-r.start))
	}
	return nil
}

// fill receives until n bytes can be handed out. It may move what there is.
func (r *Reader) fill(n int) error {
	if r.end-r.start >= n {
		return nil
	}
	if r.start == r.end || r.start+n > len(r.buf) {
		r.end = copy(r.buf, r.buf[r.start:r.end])
		r.start = 0
	}
	for empty := 0; r.end-r.start < n; {
		m, err := r.source.Read(r.buf[r.end:])
		r.end += m
		switch {
		case m > 0:
			empty = 0
		case err == io.EOF && r.end > r.start:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		default:
			if empty++; empty == 100 {
				return io.ErrNoProgress
			}
		}
	}
	return nil
}

// unexpected is the error for a connection that ended within a PDU.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
