package target

import (
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/braid-csi/braid/pkg/nvmetcp"
	"github.com/braid-csi/braid/pkg/target/targettest"
)

// ioKind is an I/O as it is on the wire.
type ioKind struct {
	name     string
	request  []byte
	response int // bytes
}

func ioKinds4K() []ioKind {
	f := nvmetcp.Framing{}
	read := rw(nvmetcp.Read, 8, 4096)
	write := rw(nvmetcp.Write, 8, 4096)
	write.SGL.Type = nvmetcp.SGLInCapsule
	completion := f.Overhead(nvmetcp.CapsuleResp)
	return []ioKind{
		{"read", f.AppendCommand(nil, &read, 0), f.Overhead(nvmetcp.C2HData) + 4096}, // SUCCESS in the data
		{"write", append(f.AppendCommand(nil, &write, 4096), targettest.Pattern(1, 4096)...), completion},
	}
}

// exchange keeps depth I/Os going for n in total.
func exchange(nc net.Conn, kind ioKind, depth, n int, batch, answers []byte) error {
	for n > 0 {
		k := min(depth, n)
		n -= k
		if _, err := nc.Write(batch[:k*len(kind.request)]); err != nil {
			return err
		}
		if _, err := io.ReadFull(nc, answers[:k*kind.response]); err != nil {
			return err
		}
	}
	return nil
}

func buffers(kind ioKind, depth int) (batch, answers []byte) {
	for range depth {
		batch = append(batch, kind.request...)
	}
	return batch, make([]byte, depth*kind.response)
}

// TestNoAllocations: an I/O allocates nothing, on neither side.
func TestNoAllocations(t *testing.T) {
	h := connectHost(t, startTarget(t, testConfig()), hostOptions{noFlowControl: true})
	for _, kind := range ioKinds4K() {
		batch, answers := buffers(kind, 16)
		got := testing.AllocsPerRun(500, func() {
			if err := exchange(h.io.nc, kind, 16, 16, batch, answers); err != nil {
				t.Fatal(err)
			}
		})
		if got != 0 {
			t.Errorf("%s: %v allocations for 16 I/Os of 4 KiB", kind.name, got)
		}
	}
}

// BenchmarkTarget compares the target with the least a server can do: read as
// many bytes, and write as many back.
func BenchmarkTarget(b *testing.B) {
	for _, kind := range ioKinds4K() {
		for _, depth := range []int{1, 8, 32, 128} {
			batch, answers := buffers(kind, depth)
			b.Run(fmt.Sprintf("%s/depth %d/target", kind.name, depth), func(b *testing.B) {
				h := connectHost(b, startTarget(b, testConfig()), hostOptions{noFlowControl: true})
				b.ReportAllocs()
				b.ResetTimer()
				if err := exchange(h.io.nc, kind, depth, b.N, batch, answers); err != nil {
					b.Fatal(err)
				}
			})
			b.Run(fmt.Sprintf("%s/depth %d/bare TCP", kind.name, depth), func(b *testing.B) {
				nc := bareServer(b, kind)
				b.ReportAllocs()
				b.ResetTimer()
				if err := exchange(nc, kind, depth, b.N, batch, answers); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

// bareServer answers every request that is there with one write.
func bareServer(b *testing.B, kind ioKind) net.Conn {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	go func() {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		in, out, have := make([]byte, receiveBuffer), make([]byte, 128*kind.response), 0
		for {
			n, err := nc.Read(in)
			if err != nil {
				return
			}
			have += n
			k := min(have/len(kind.request), 128)
			have -= k * len(kind.request)
			if _, err := nc.Write(out[:k*kind.response]); err != nil {
				return
			}
		}
	}()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = nc.Close() })
	return nc
}
