package host

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
	"github.com/braid-csi/braid/pkg/target"
	"github.com/braid-csi/braid/pkg/target/targettest"
)

// TestNoAllocations: an I/O allocates nothing, alone or among others.
func TestNoAllocations(t *testing.T) {
	tg := startTarget(t, targetConfig()) // which allocates nothing either
	for digests := range nvmetcp.Digests(4) {
		cfg := hostConfig(t, tg)
		cfg.Digests = digests
		c := connect(t, cfg)
		for _, kind := range benchKinds() {
			for _, depth := range []int{1, 32} {
				l := newLoad(c, kind.opcode, depth)
				got := testing.AllocsPerRun(5, func() {
					if err := l.run(20 * depth); err != nil {
						t.Fatal(err)
					}
				})
				if perIO := got / float64(20*depth); perIO >= 0.01 {
					t.Errorf("digests %d, %s, depth %d: %v allocations for an I/O", digests, kind.name, depth, perIO)
				}
			}
		}
	}
}

// countedConn counts the writes to a socket.
type countedConn struct {
	*net.TCPConn
	writes *atomic.Int64
}

func (c countedConn) SyscallConn() (syscall.RawConn, error) {
	raw, err := c.TCPConn.SyscallConn()
	return countedRaw{raw, c.writes}, err
}

type countedRaw struct {
	syscall.RawConn
	writes *atomic.Int64
}

func (c countedRaw) Write(f func(uintptr) bool) error {
	c.writes.Add(1)
	return c.RawConn.Write(f)
}

// counted makes a host count its writes, those of admin queues too.
func counted(cfg *Config) *atomic.Int64 {
	var writes atomic.Int64
	cfg.Dial = func(ctx context.Context, to nvme.TransportID) (net.Conn, error) {
		conn, err := dialTCP(ctx, to)
		if err != nil {
			return nil, err
		}
		return countedConn{conn.(*net.TCPConn), &writes}, nil
	}
	return &writes
}

// TestBatch: what is submitted while completions are handed out leaves in one
// write: the controller answers n commands in one segment, and n others come in
// one.
func TestBatch(t *testing.T) {
	const n, rounds = 8, 5
	var list []nvmetcp.Command
	f := startFake(t, nil)
	f.answer = func(q *fakeQueue, c nvmetcp.Command) bool {
		if !q.io || c.Opcode != nvmetcp.Flush {
			return false
		}
		if list = append(list, c); len(list) == n {
			var b []byte
			for _, c := range list {
				b = q.out.AppendCompletion(b, nvmetcp.Completion{CID: c.CID})
			}
			list = nil
			q.send(b)
		}
		return true
	}
	cfg := f.config()
	cfg.KeepAlive = time.Hour
	writes := counted(&cfg)
	c := connect(t, cfg)
	var left atomic.Int64
	left.Store(n * rounds)
	var done sync.WaitGroup
	done.Add(n)
	var before int64
	for i := range n {
		r := rw(nvmetcp.Flush, 0, nil)
		r.Done = func(r *Request) {
			if left.Add(-1) == n*rounds-1 {
				before = writes.Load() // the first of the first round
			}
			if left.Load() >= n {
				c.Submit(r, uint(i))
			} else if left.Load() >= 0 {
				done.Done()
			}
		}
		c.Submit(r, 0)
	}
	done.Wait()
	if got := writes.Load() - before; got != rounds-1 {
		t.Errorf("%d writes for %d rounds of %d commands", got, rounds-1, n)
	}
}

// TestManySubmitters: more than the queue takes, from many goroutines at once,
// reads and writes of all sizes; each gets what is its own.
func TestManySubmitters(t *testing.T) {
	tg := startTarget(t, targetConfig())
	cfg := hostConfig(t, tg)
	cfg.QueueSize, cfg.IOQueues = 8, 2
	c := connect(t, cfg)
	var all sync.WaitGroup
	for i := range 24 {
		all.Go(func() {
			size := 512 << (i % 9)
			start := uint64(i) * 256 // blocks
			got := make([]byte, size)
			for round := range 20 {
				want := targettest.Pattern(i+round, size)
				mustGo(t, c, rw(nvmetcp.Write, start, want), uint(round))
				mustGo(t, c, rw(nvmetcp.Read, start, got), uint(round+1))
				targettest.WantBytes(t, fmt.Sprintf("submitter %d, round %d", i, round), got, want)
			}
		})
	}
	all.Wait()
}

// mustGo is mustDo for goroutines that are not the test's.
func mustGo(t *testing.T, c *Controller, r *Request, hint uint) {
	<-begin(c, r, hint)
	if r.Completion.Status != nvme.StatusSuccess {
		t.Errorf("opcode 0x%02x: %s", r.Command.Opcode, r.Completion.Status)
	}
}

// TestFullSocket: submitting never waits, however little the target reads, and
// all arrives when it does.
func TestFullSocket(t *testing.T) {
	tg := startTarget(t, targetConfig())
	cfg := hostConfig(t, tg)
	c := connect(t, cfg)
	if err := tg.BlackHole(1, 1); err != nil {
		t.Fatal(err)
	}
	const n, size = 2000, 4096
	var done []<-chan struct{}
	var list []*Request
	for i := range n {
		r := rw(nvmetcp.Write, uint64(i*8)%8192, targettest.Pattern(i, size))
		list, done = append(list, r), append(done, begin(c, r, 0))
	}
	if err := tg.Restore(1, 1); err != nil {
		t.Fatal(err)
	}
	for i, r := range list {
		wait(t, "a write", done[i])
		if r.Completion.Status != nvme.StatusSuccess {
			t.Fatalf("write %d: %s", i, r.Completion.Status)
		}
	}
}

// TestFullSocketLost: what waits for a socket that never takes it comes back.
func TestFullSocketLost(t *testing.T) {
	tg := startTarget(t, targetConfig())
	c := connect(t, hostConfig(t, tg))
	if err := tg.BlackHole(1, target.AllQueues); err != nil {
		t.Fatal(err)
	}
	var list []*Request
	var done []<-chan struct{}
	for i := range 300 {
		r := rw(nvmetcp.Write, 0, make([]byte, 8192))
		list, done = append(list, r), append(done, begin(c, r, uint(i)))
	}
	c.Reset()
	var sent, unsent int
	for i, r := range list {
		wait(t, "a write", done[i])
		switch r.Completion.Status {
		case nvme.StatusHostAborted:
			sent++
		case nvme.StatusHostPathError:
			unsent++
			if !r.InDoubtUntil.IsZero() {
				t.Errorf("write %d was not sent and is in doubt", i)
			}
		default:
			t.Errorf("write %d: %s", i, r.Completion.Status)
		}
	}
	if sent == 0 || sent > 127 {
		t.Errorf("%d writes were sent and %d not, on a queue of 127", sent, unsent)
	}
}

// TestTransferParts: R2Ts for parts of the data, answered in PDUs that are not
// larger than the controller takes, with its alignment.
func TestTransferParts(t *testing.T) {
	q, f, _ := nearAndFar(t, nvmetcp.Framing{Digests: nvmetcp.DataDigest, PDA: 15})
	want := targettest.Pattern(3, 20000)
	r := rw(nvmetcp.Write, 0, want)
	done := make(chan struct{})
	r.Done = func(*Request) { close(done) }
	q.submit(r)
	c := f.command()
	if c.SGL.Type != nvmetcp.SGLTransport || c.SGL.Length != 20000 || f.in.DataLength() != 0 {
		t.Errorf("SGL %+v, %d bytes in the capsule", c.SGL, f.in.DataLength())
	}
	got := make([]byte, 0, len(want))
	for tag, n := range []int{5000, 15000} {
		f.ready(nvmetcp.Ready{CID: c.CID, TTAG: uint16(tag), Offset: uint32(len(got)), Length: uint32(n)})
		for end := len(got) + n; len(got) < end; {
			h, b := f.next()
			d, err := f.in.Framing.ParseData(h, b)
			if err != nil || h.Type != nvmetcp.H2CData {
				t.Fatalf("%s, %v", h.Type, err)
			}
			part, err := f.in.Data()
			if err != nil {
				t.Fatal(err)
			}
			if int(d.Offset) != len(got) || d.TTAG != uint16(tag) || d.CID != c.CID || len(part) > 4096 || d.Last != (len(got)+len(part) == end) {
				t.Errorf("H2CData %+v of %d bytes, had %d", d, len(part), len(got))
			}
			got = append(got, part...)
		}
	}
	targettest.WantBytes(t, "the data", got, want)
	f.complete(nvmetcp.Completion{CID: c.CID})
	wait(t, "the write", done)
}

// TestSGL: every command has an SGL, and data is in the capsule exactly when it
// fits there.
func TestSGL(t *testing.T) {
	q, f, _ := nearAndFar(t, nvmetcp.Framing{})
	for _, tc := range []struct {
		op     nvmetcp.Opcode
		length int
		want   nvmetcp.SGL
		inside int
	}{
		{nvmetcp.Write, 8 << 10, nvmetcp.SGL{Length: 8 << 10, Type: nvmetcp.SGLInCapsule}, 8 << 10},
		{nvmetcp.Write, 8<<10 + 512, nvmetcp.SGL{Length: 8<<10 + 512, Type: nvmetcp.SGLTransport}, 0},
		{nvmetcp.Read, 512, nvmetcp.SGL{Length: 512, Type: nvmetcp.SGLTransport}, 0},
		{nvmetcp.Flush, 0, nvmetcp.SGL{Type: nvmetcp.SGLTransport}, 0},
		{nvmetcp.WriteZeroes, 0, nvmetcp.SGL{Type: nvmetcp.SGLTransport}, 0},
		{nvmetcp.DatasetManagement, 16, nvmetcp.SGL{Length: 16, Type: nvmetcp.SGLInCapsule}, 16},
	} {
		r := rw(tc.op, 0, make([]byte, tc.length))
		r.Done = func(*Request) {}
		q.submit(r)
		if c := f.command(); c.SGL != tc.want || f.in.DataLength() != tc.inside {
			t.Errorf("opcode 0x%02x, %d bytes: SGL %+v and %d bytes in the capsule, want %+v and %d", tc.op, tc.length, c.SGL, f.in.DataLength(), tc.want, tc.inside)
		}
	}
}
