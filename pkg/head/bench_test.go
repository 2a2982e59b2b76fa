package head

import (
	"context"
	"fmt"
	"testing"

	"github.com/braid-csi/braid/pkg/host"
	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// BenchmarkSubmit is the way of a request through the head, without a network.
func BenchmarkSubmit(b *testing.B) {
	h, done := newInstantHead(b)
	r := &Request{Op: nvmetcp.Write, Blocks: 8, Data: make([]byte, 4096), Done: done}
	b.ReportAllocs()
	for b.Loop() {
		h.Submit(r)
	}
}

// TestNoAllocations: an I/O allocates nothing.
func TestNoAllocations(t *testing.T) {
	h, done := newInstantHead(t)
	for _, op := range []nvmetcp.Opcode{nvmetcp.Read, nvmetcp.Write, nvmetcp.Flush, nvmetcp.DatasetManagement} {
		r := &Request{Op: op, Blocks: 8, Data: make([]byte, 4096), Done: done}
		if n := testing.AllocsPerRun(1000, func() { h.Submit(r) }); n != 0 {
			t.Errorf("%#x: %v allocations", op, n)
		}
	}
}

// instant is a controller that answers at once.
type instant struct{ *fakeDevice }

func (instant) Submit(r *host.Request, _ uint) {
	r.Completion.Status = nvme.StatusSuccess
	r.Done(r)
}

func newInstantHead(t testing.TB) (*Head, func(*Request)) {
	s, err := New(t.Context(), Config{IOPolicy: nvme.IOPolicyRoundRobin})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		s.connect = func(_ context.Context, cfg host.Config) (device, error) {
			f := newFakeDevice()
			f.cfg = cfg
			return instant{f}, nil
		}
		if _, err := s.Connect(t.Context(), testAddress(i), 0); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	h, err := s.Open(t.Context(), testID)
	if err != nil {
		t.Fatal(err)
	}
	return h, func(r *Request) {
		if r.Status != nvme.StatusSuccess {
			t.Error(r.Status)
		}
	}
}

// BenchmarkRead reads 4 KiB through the head, the host and the target, all of
// this process.
func BenchmarkRead(b *testing.B) {
	for _, depth := range []int{1, 32} {
		b.Run(fmt.Sprintf("QD%d", depth), func(b *testing.B) {
			r := newRig(b, 2, 1<<20, Config{})
			idle := make(chan *Request, depth)
			for range depth {
				idle <- &Request{Op: nvmetcp.Read, Blocks: 8, Data: make([]byte, 4096), Done: func(r *Request) { idle <- r }}
			}
			b.ReportAllocs()
			b.SetBytes(4096)
			for b.Loop() {
				r.h.Submit(<-idle)
			}
			for range depth {
				if q := <-idle; q.Status != nvme.StatusSuccess {
					b.Error(q.Status)
				}
			}
		})
	}
}
