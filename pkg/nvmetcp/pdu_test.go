package nvmetcp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/nvme"
)

func TestDigest(t *testing.T) {
	if got, want := Digest([]byte("123456789")), uint32(0xe3069283); got != want { // RFC 3720, appendix B.4
		t.Errorf("Digest = 0x%08x, want 0x%08x", got, want)
	}
	if got, want := UpdateDigest(Digest([]byte("1234")), []byte("56789")), uint32(0xe3069283); got != want {
		t.Errorf("UpdateDigest = 0x%08x, want 0x%08x", got, want)
	}
}

// framings are all that two ends can agree on.
func framings() []Framing {
	var all []Framing
	for d := range Digests(4) {
		for _, pda := range []uint8{0, 1, 15, maxPDA} {
			all = append(all, Framing{Digests: d, PDA: pda})
		}
	}
	return all
}

// someData is n bytes that differ.
func someData(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

// TestRoundTrip sends one PDU of each type and reads them all, whatever was
// agreed on and however the bytes arrive.
func TestRoundTrip(t *testing.T) {
	cmd := Command{Opcode: Write, Flags: flagSGL, CID: 0x1234, NSID: 7, SGL: SGL{Length: 4096, Type: SGLInCapsule}, Dwords: [6]uint32{1, 2, 3, 4, 5, 6}}
	completion := Completion{Result: 0x1122334455667788, SQHead: 9, SQID: 3, CID: 0x1234, Status: nvme.StatusANAInaccessible | nvme.DNR | nvme.More}
	ready := Ready{CID: 0x1234, TTAG: 77, Offset: 4096, Length: 100000}
	first := DataHeader{CID: 0x1234, TTAG: 77, Length: 5000}
	last := DataHeader{CID: 0x1234, Offset: 5000, Length: 12, Last: true, Success: true}
	for _, f := range framings() {
		t.Run(fmt.Sprintf("%+v", f), func(t *testing.T) {
			var wire []byte
			wire = f.AppendCommand(wire, &cmd, 4096)
			wire = f.AppendDataDigest(append(wire, someData(4096)...), someData(4096))
			wire = f.AppendCommand(wire, &cmd, 0)
			wire = f.AppendR2T(wire, ready)
			wire = f.AppendH2CData(wire, first)
			wire = f.AppendDataDigest(append(wire, someData(5000)...), someData(5000))
			wire = f.AppendC2HData(wire, last)
			wire = f.AppendDataDigest(append(wire, someData(12)...), someData(12))
			wire = f.AppendCompletion(wire, completion)
			wire = AppendTermReq(wire, C2HTermReq, &ProtocolError{Status: DataOutOfRange, Info: 5}, wire[:72])

			var want strings.Builder
			for _, v := range []any{
				cmd, Digest(someData(4096)), cmd, ready,
				first, Digest(someData(5000)), last, Digest(someData(12)), completion, "data transfer out of range 5 72",
			} {
				fmt.Fprintf(&want, "%+v\n", v)
			}
			for name, source := range map[string]io.Reader{
				"at once":      bytes.NewReader(wire),
				"byte by byte": iotest.OneByteReader(bytes.NewReader(wire)),
				"in halves":    iotest.HalfReader(bytes.NewReader(wire)),
				"end with it":  iotest.DataErrReader(bytes.NewReader(wire)),
			} {
				got, err := transcript(source, f)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if diff := cmp.Diff(want.String(), got); diff != "" {
					t.Errorf("%s: -want +got\n%s", name, diff)
				}
			}
		})
	}
}

// transcript reads PDUs to the end and writes down what they say. What arrives
// with the end is read too.
func transcript(source io.Reader, f Framing) (string, error) {
	var out strings.Builder
	r := NewReader(source, 0)
	r.Framing = f
	for {
		h, b, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out.String(), nil
		}
		if err != nil {
			return out.String(), err
		}
		var v any
		switch h.Type {
		case CapsuleCmd:
			v, err = ParseCapsuleCommand(b)
		case CapsuleResp:
			v, err = ParseCapsuleCompletion(b)
		case R2T:
			v, err = ParseR2T(b)
		case H2CData, C2HData:
			v, err = f.ParseData(h, b)
		case H2CTermReq, C2HTermReq:
			var e *ProtocolError
			if e, err = ParseTermReq(b); err == nil {
				v = fmt.Sprint(e.Status, e.Info, r.DataLength())
			}
		case ICReq:
			v, err = ParseInitRequest(b)
		case ICResp:
			v, err = ParseInitResponse(b)
		}
		if err != nil {
			return out.String(), err
		}
		fmt.Fprintf(&out, "%+v\n", v)
		if n := r.DataLength(); n > 0 && h.Type.hasDigests() {
			data := make([]byte, min(n, 1<<20))
			if n > len(data) {
				return out.String(), errors.New("more data than the test reads")
			}
			if err := r.ReadData(data); err != nil {
				return out.String(), err
			}
			fmt.Fprintln(&out, Digest(data))
		}
	}
}

func TestInit(t *testing.T) {
	q := InitRequest{PDA: 3, Digests: DataDigest, MaxR2T: 15}
	p := InitResponse{PDA: 1, Digests: HeaderDigest, MaxData: 131072}
	wire := AppendInitResponse(AppendInitRequest(nil, q), p)
	if len(wire) != 256 {
		t.Fatalf("ICReq and ICResp are %d bytes, want 256", len(wire))
	}
	got, err := transcript(bytes.NewReader(wire), Framing{})
	if want := fmt.Sprintf("%+v\n%+v\n", q, p); err != nil || got != want {
		t.Errorf("read back %q, %v; want %q", got, err, want)
	}
}

// TestProtocolErrors breaks a PDU in one place and wants that place named.
func TestProtocolErrors(t *testing.T) {
	plain, digests := Framing{}, Framing{Digests: HeaderDigest | DataDigest}
	command := func(f Framing, data int) []byte {
		b := f.AppendCommand(nil, &Command{Opcode: Write}, data)
		return f.AppendDataDigest(append(b, someData(data)...), someData(data))
	}
	plen := func(b []byte, n uint32) { binary.LittleEndian.PutUint32(b[4:], n) }
	for _, tc := range []struct {
		name   string
		f      Framing
		wire   []byte
		spoil  func(b []byte)
		status FatalStatus
		info   uint32
	}{
		{"type that does not exist", plain, command(plain, 0), func(b []byte) { b[0] = 8 }, InvalidHeaderField, 0},
		{"type beyond all", plain, command(plain, 0), func(b []byte) { b[0] = 200 }, InvalidHeaderField, 0},
		{"header length", plain, command(plain, 0), func(b []byte) { b[2] = 71 }, InvalidHeaderField, 2},
		{"digest that was not agreed on", plain, command(plain, 0), func(b []byte) { b[1] |= flagHeaderDigest }, InvalidHeaderField, 1},
		{"no digest where one was agreed on", digests, command(digests, 0), func(b []byte) { b[1] = 0 }, InvalidHeaderField, 1},
		{"no data digest where one was agreed on", digests, command(digests, 8), func(b []byte) { b[1] &^= flagDataDigest }, InvalidHeaderField, 1},
		{"shorter than its header", plain, command(plain, 0), func(b []byte) { plen(b, 71) }, InvalidHeaderField, 4},
		{"length 0", plain, command(plain, 0), func(b []byte) { plen(b, 0) }, InvalidHeaderField, 4},
		{"length of 4 GiB", plain, command(plain, 8), func(b []byte) { plen(b, 0xffffffff) }, InvalidHeaderField, 4},
		{"data without an offset", plain, command(plain, 8), func(b []byte) { b[3] = 0 }, InvalidHeaderField, 3},
		{"data within the header", plain, command(plain, 8), func(b []byte) { b[3] = 68 }, InvalidHeaderField, 3},
		{"offset that is not aligned", plain, command(plain, 8), func(b []byte) { b[3] = 73 }, InvalidHeaderField, 3},
		{"offset at the end", plain, command(plain, 8), func(b []byte) { b[3] = 80 }, InvalidHeaderField, 4},
		{"no room for the digest", digests, command(digests, 4), func(b []byte) { plen(b, 80) }, InvalidHeaderField, 4},
		{"completion with data", plain, plain.AppendCompletion(nil, Completion{}), func(b []byte) { plen(b, 28) }, InvalidHeaderField, 4},
		{"TermReq that quotes too much", plain, AppendTermReq(nil, H2CTermReq, &ProtocolError{}, make([]byte, 200)), func(b []byte) { plen(b, 24+129) }, InvalidHeaderField, 4},
		{"header damaged", digests, command(digests, 0), func(b []byte) { b[20] ^= 1 }, HeaderDigestError, 0},
		{"data length disagrees", plain, append(plain.AppendH2CData(nil, DataHeader{Length: 8}), someData(8)...), func(b []byte) { b[16] = 7 }, InvalidHeaderField, 16},
		{"version of the format", plain, AppendInitRequest(nil, InitRequest{}), func(b []byte) { b[8] = 1 }, UnsupportedParameter, 8},
		{"alignment", plain, AppendInitRequest(nil, InitRequest{}), func(b []byte) { b[10] = 32 }, InvalidHeaderField, 10},
		{"digest that does not exist", plain, AppendInitRequest(nil, InitRequest{}), func(b []byte) { b[11] = 4 }, InvalidHeaderField, 11},
		{"too little H2CData", plain, AppendInitResponse(nil, InitResponse{MaxData: 4095}), func([]byte) {}, UnsupportedParameter, 12},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.spoil(tc.wire)
			_, err := transcript(bytes.NewReader(tc.wire), tc.f)
			e, ok := errors.AsType[*ProtocolError](err)
			if !ok || e.Status != tc.status || tc.status != HeaderDigestError && e.Info != tc.info {
				t.Errorf("error %v (%+v), want status %d, information %d", err, e, tc.status, tc.info)
			}
		})
	}
}

// TestDataDigestError: damaged data costs its command, not the connection.
func TestDataDigestError(t *testing.T) {
	f := Framing{Digests: DataDigest}
	wire := f.AppendH2CData(nil, DataHeader{Length: 8, Last: true})
	wire = f.AppendDataDigest(append(wire, someData(8)...), someData(8))
	wire[len(wire)-6] ^= 1
	good := f.AppendR2T(nil, Ready{CID: 1})
	for name, read := range map[string]func(*Reader) error{
		"in place": func(r *Reader) error { _, err := r.Data(); return err },
		"copied":   func(r *Reader) error { return r.ReadData(make([]byte, 8)) },
	} {
		r := NewReader(bytes.NewReader(append(bytes.Clone(wire), good...)), 0)
		r.Framing = f
		if _, _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		if err := read(r); !errors.Is(err, ErrDataDigest) {
			t.Errorf("%s: error %v, want %v", name, err, ErrDataDigest)
		}
		if h, _, err := r.Next(); err != nil || h.Type != R2T {
			t.Errorf("%s: then %s, %v; want %s", name, h.Type, err, R2T)
		}
	}
}

// TestCutOff ends the connection at every byte: only between PDUs is that an
// ordinary end.
func TestCutOff(t *testing.T) {
	f := Framing{Digests: HeaderDigest | DataDigest}
	one := f.AppendC2HData(nil, DataHeader{Length: 8, Last: true})
	one = f.AppendDataDigest(append(one, someData(8)...), someData(8))
	two := append(bytes.Clone(one), one...)
	for n := range two {
		_, err := transcript(bytes.NewReader(two[:n]), f)
		if clean := n%len(one) == 0; clean != (err == nil) || !clean && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut off after %d of 2 x %d bytes: error %v", n, len(one), err)
		}
	}
}

// TestSkip leaves data unread, more than the buffer holds.
func TestSkip(t *testing.T) {
	f := Framing{Digests: DataDigest}
	data := someData(3*MinReaderSize + 5)
	wire := f.AppendC2HData(nil, DataHeader{CID: 1, Length: uint32(len(data))})
	wire = f.AppendDataDigest(append(wire, data...), data)
	wire = f.AppendR2T(wire, Ready{CID: 2})
	r := NewReader(bytes.NewReader(wire), 0)
	r.Framing = f
	if _, _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Data(); err == nil {
		t.Error("data that is larger than the buffer was returned in place")
	}
	if h, _, err := r.Next(); err != nil || h.Type != R2T {
		t.Errorf("after data that was not read: %s, %v; want %s", h.Type, err, R2T)
	}
}
