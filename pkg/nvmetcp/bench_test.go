package nvmetcp

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/braid-csi/braid/pkg/nvme"
)

// ioWire is a read and a write of 4 KiB as both ends see them.
func ioWire(f Framing, b, data []byte) []byte {
	cmd := Command{Opcode: Write, NSID: 1, CID: 9, SGL: SGL{Length: uint32(len(data)), Type: SGLInCapsule}}
	cmd.SetBlocks(8, 8)
	b = f.AppendCommand(b, &cmd, len(data))
	b = f.AppendDataDigest(append(b, data...), data)
	b = f.AppendCompletion(b, Completion{CID: 9, Status: nvme.StatusSuccess})
	b = f.AppendCommand(b, &cmd, 0)
	b = f.AppendR2T(b, Ready{CID: 9, TTAG: 1, Length: uint32(len(data))})
	b = f.AppendC2HData(b, DataHeader{CID: 9, Length: uint32(len(data)), Last: true, Success: true})
	return f.AppendDataDigest(append(b, data...), data)
}

// readIO reads what ioWire wrote, data in place for the capsule and into dst for
// the rest.
func readIO(r *Reader, dst []byte) error {
	for range 5 {
		h, b, err := r.Next()
		if err != nil {
			return err
		}
		switch h.Type {
		case CapsuleCmd:
			if _, err = ParseCapsuleCommand(b); err == nil && r.DataLength() > 0 {
				_, err = r.Data()
			}
		case CapsuleResp:
			_, err = ParseCapsuleCompletion(b)
		case R2T:
			_, err = ParseR2T(b)
		case C2HData:
			if _, err = r.Framing.ParseData(h, b); err == nil {
				err = r.ReadData(dst)
			}
		default:
			err = fmt.Errorf("unexpected %s", h.Type)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// TestNoAllocations: the path of an I/O allocates nothing, either way.
func TestNoAllocations(t *testing.T) {
	data, dst := someData(4096), make([]byte, 4096)
	for _, f := range framings() {
		buf := ioWire(f, nil, data)
		source := bytes.NewReader(buf)
		r := NewReader(source, 16<<10)
		r.Framing = f
		n := testing.AllocsPerRun(100, func() {
			buf = ioWire(f, buf[:0], data)
			source.Reset(buf)
			if err := readIO(r, dst); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("%+v: %v allocations for a read and a write", f, n)
		}
	}
}

// BenchmarkIO is the protocol's share of a read and a write of 4 KiB, both ends
// of each, beside copying the same data.
func BenchmarkIO(b *testing.B) {
	data, dst := someData(4096), make([]byte, 4096)
	for _, bc := range []struct {
		name string
		f    Framing
	}{{"plain", Framing{}}, {"header digest", Framing{Digests: HeaderDigest}}, {"both digests", Framing{Digests: HeaderDigest | DataDigest}}} {
		b.Run(bc.name, func(b *testing.B) {
			buf := ioWire(bc.f, nil, data)
			source := bytes.NewReader(buf)
			r := NewReader(source, 16<<10)
			r.Framing = bc.f
			b.ReportAllocs()
			for b.Loop() {
				buf = ioWire(bc.f, buf[:0], data)
				source.Reset(buf)
				if err := readIO(r, dst); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("copies alone", func(b *testing.B) {
		for b.Loop() {
			for range 5 { // two into the wire, two out of it, one to its place
				copy(dst, data)
			}
		}
	})
}
