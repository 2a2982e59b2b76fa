package host

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// benchKind is an I/O of 4 KiB and what it is on the wire, in bytes.
type benchKind struct {
	name              string
	opcode            nvmetcp.Opcode
	request, response int
}

func benchKinds() []benchKind {
	f := nvmetcp.Framing{}
	capsule, completion := f.Overhead(nvmetcp.CapsuleCmd), f.Overhead(nvmetcp.CapsuleResp)
	return []benchKind{
		{"read", nvmetcp.Read, capsule, f.Overhead(nvmetcp.C2HData) + 4096}, // SUCCESS in the data
		{"write", nvmetcp.Write, capsule + 4096, completion},
	}
}

var benchDepths = []int{1, 8, 32, 128}

// load keeps depth I/Os outstanding: each submits itself again when it is done.
type load struct {
	c        *Controller
	requests []*Request
	left     atomic.Int64
	running  atomic.Int64
	failed   atomic.Uint32 // a status
	done     chan struct{}
}

func newLoad(c *Controller, opcode nvmetcp.Opcode, depth int) *load {
	l := &load{c: c, done: make(chan struct{}, 1)}
	for i := range depth {
		r := rw(opcode, uint64(i*8), make([]byte, 4096))
		r.Done = l.next
		l.requests = append(l.requests, r)
	}
	return l
}

func (l *load) next(r *Request) {
	if r.Completion.Status != nvme.StatusSuccess {
		l.failed.Store(uint32(r.Completion.Status))
	}
	if l.left.Add(-1) >= 0 {
		l.c.Submit(r, 0)
	} else if l.running.Add(-1) == 0 {
		l.done <- struct{}{}
	}
}

// run does n I/Os.
func (l *load) run(n int) error {
	depth := min(len(l.requests), n)
	l.left.Store(int64(n - depth))
	l.running.Store(int64(depth))
	for _, r := range l.requests[:depth] {
		l.c.Submit(r, 0)
	}
	<-l.done
	if s := l.failed.Load(); s != 0 {
		return fmt.Errorf("status %s", nvme.Status(s))
	}
	return nil
}

// bare is a client of bare request and response on one connection: as many
// requests in one write as there were answers in one read. With memory, each
// request and answer is copied from and to memory of its own, for whoever has
// several I/Os on a connection knows only then where an answer belongs. Without,
// it is a mere stream of as many bytes, the limit of what TCP can do.
type bare struct {
	conn     net.Conn
	kind     benchKind
	depth    int
	memory   [][]byte // of each I/O: header and data
	next     int      // which is answered next
	out, in  []byte
	start, n int // of in: answers that are not complete
}

func newBare(conn net.Conn, kind benchKind, depth int, stream bool) *bare {
	c := &bare{conn: conn, kind: kind, depth: depth, out: make([]byte, depth*kind.request), in: make([]byte, receiveBuffer)}
	for range depth {
		if !stream {
			c.memory = append(c.memory, make([]byte, max(kind.request, kind.response)))
		}
	}
	return c
}

// send sends n requests, for the I/Os that were answered last.
func (c *bare) send(n int) error {
	if n == 0 {
		return nil
	}
	size := c.kind.request
	for i := range n {
		if c.memory != nil {
			copy(c.out[i*size:][:size], c.memory[(c.next+c.depth-n+i)%c.depth])
		}
	}
	_, err := c.conn.Write(c.out[:n*size])
	return err
}

// answered hands the answers out that are complete, at most depth.
func (c *bare) answered() (k int) {
	for size := c.kind.response; c.n >= size; k++ {
		if c.memory != nil {
			copy(c.memory[c.next], c.in[c.start:][:size])
		}
		c.next = (c.next + 1) % c.depth
		c.start, c.n = c.start+size, c.n-size
	}
	copy(c.in, c.in[c.start:][:c.n])
	c.start = 0
	return k
}

func (c *bare) run(n int) error {
	sent := min(c.depth, n)
	if err := c.send(sent); err != nil {
		return err
	}
	for done := 0; done < n; {
		m, err := c.conn.Read(c.in[c.n:])
		if err != nil {
			return err
		}
		c.n += m
		k := c.answered()
		done += k
		more := min(k, n-sent)
		sent += more
		if err := c.send(more); err != nil {
			return err
		}
	}
	return nil
}

// bareHello tells the bare server the sizes.
func bareHello(request, response int) []byte { return fmt.Appendf(nil, "%8d%8d", request, response) }

// serverBuffer is the size of the target's receive buffer.
const serverBuffer = 64 << 10

// serveBare answers all requests that came in one read with one write.
func serveBare(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = conn.Close() }()
			hello := make([]byte, 16)
			var request, response int
			if _, err := io.ReadFull(conn, hello); err != nil {
				return
			}
			if _, err := fmt.Sscan(string(hello), &request, &response); err != nil {
				return
			}
			in, out, have := make([]byte, serverBuffer), make([]byte, 256*response), 0
			for {
				n, err := conn.Read(in)
				if err != nil {
					return
				}
				have += n
				k := have / request
				have -= k * request
				for ; k > 0; k -= 256 {
					if _, err := conn.Write(out[:min(k, 256)*response]); err != nil {
						return
					}
				}
			}
		}()
	}
}

// cost is what a stretch of work cost this process.
type cost struct {
	ios             int
	cpu, wall       time.Duration
	syscalls, wakes int64
	beginUsage      syscall.Rusage
	begin           time.Time
	beginCalls      int64
}

func (c *cost) start(b *testing.B) {
	c.beginCalls = readWriteCalls(b)
	c.beginUsage = usage(b)
	c.begin = time.Now()
}

func (c *cost) stop(b *testing.B, n int) {
	c.wall += time.Since(c.begin)
	u := usage(b)
	c.ios += n
	c.cpu += time.Duration(u.Utime.Nano() + u.Stime.Nano() - c.beginUsage.Utime.Nano() - c.beginUsage.Stime.Nano())
	c.wakes += u.Nvcsw - c.beginUsage.Nvcsw
	c.syscalls += readWriteCalls(b) - c.beginCalls - callsToCount
}

func usage(b *testing.B) (u syscall.Rusage) {
	b.Helper()
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u
}

// callsToCount is what reading the count costs: it is read to its end.
const callsToCount = 2

// readWriteCalls is how many read and write system calls this process has made;
// the kernel counts no others.
func readWriteCalls(b *testing.B) int64 {
	b.Helper()
	data, err := os.ReadFile("/proc/self/io")
	if err != nil {
		b.Fatal(err)
	}
	var rchar, wchar, reads, writes int64
	if _, err := fmt.Fscanf(bytes.NewReader(data), "rchar: %d\nwchar: %d\nsyscr: %d\nsyscw: %d", &rchar, &wchar, &reads, &writes); err != nil {
		b.Fatal(err)
	}
	return reads + writes
}

func (c *cost) per(v float64) float64 { return v / float64(c.ios) }

func (c *cost) cpuPer() float64 { return c.per(float64(c.cpu)) }

// BenchmarkHost compares the host with bare request and response over TCP: the
// same sizes, as many outstanding, one connection, and a server that answers at
// once; and with a mere stream of as many bytes. They take turns, so what
// disturbs one disturbs the others.
func BenchmarkHost(b *testing.B) {
	at, bareAt := startServer(b, "target"), startServer(b, "bare")
	for _, kind := range benchKinds() {
		for _, depth := range benchDepths {
			b.Run(fmt.Sprintf("%s/depth=%d", kind.name, depth), func(b *testing.B) {
				c := connect(b, Config{Address: wayTo(at), SubsystemNQN: testNQN, HostNQN: testHostNQN, HostID: [16]byte{1}, Dial: dialPlain})
				turns := []*turn{
					{run: newLoad(c, kind.opcode, depth).run},
					{run: newBare(dialBare(b, bareAt, kind), kind, depth, false).run},
					{run: newBare(dialBare(b, bareAt, kind), kind, depth, true).run},
				}
				takeTurns(b, turns)
				report(b, &turns[0].cost, &turns[1].cost, &turns[2].cost)
			})
		}
	}
}

func dialBare(b *testing.B, at netip.AddrPort, kind benchKind) net.Conn {
	b.Helper()
	conn, err := dialPlain(b.Context(), wayTo(at))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	if _, err := conn.Write(bareHello(kind.request, kind.response)); err != nil {
		b.Fatal(err)
	}
	return conn
}

// turn is one of those that are compared.
type turn struct {
	run  func(n int) error
	cost cost
}

// takeTurns runs b.N I/Os of each, a few at a time. What the benchmark says of
// time and memory is the first's.
func takeTurns(b *testing.B, turns []*turn) {
	b.ReportAllocs()
	b.ResetTimer()
	b.StopTimer()
	for left := b.N; left > 0; {
		n := min(left, max(b.N/20, 1000))
		left -= n
		for i, t := range turns {
			if i == 0 {
				b.StartTimer()
			}
			t.cost.start(b)
			if err := t.run(n); err != nil {
				b.Fatal(err)
			}
			t.cost.stop(b, n)
			b.StopTimer()
		}
	}
}

func report(b *testing.B, host, bare, stream *cost) {
	b.ReportMetric(host.cpuPer(), "cpu-ns/op")
	b.ReportMetric(host.cpuPer()/bare.cpuPer(), "cpu/bare")
	b.ReportMetric(host.cpuPer()/stream.cpuPer(), "cpu/stream")
	b.ReportMetric(1/host.per(host.wall.Seconds()), "iops")
	b.ReportMetric(bare.per(bare.wall.Seconds())/host.per(host.wall.Seconds()), "iops/bare")
	b.ReportMetric(host.per(float64(host.syscalls)), "calls/op")
	b.ReportMetric(bare.per(float64(bare.syscalls)), "bare-calls/op")
	b.ReportMetric(host.per(float64(host.wakes)), "wakes/op")
	b.ReportMetric(bare.per(float64(bare.wakes)), "bare-wakes/op")
}
