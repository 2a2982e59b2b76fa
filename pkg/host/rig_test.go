package host

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
	"github.com/braid-csi/braid/pkg/target"
)

const (
	testNQN     nvme.NQN = "nqn.2026-11.test.braid:s1"
	testHostNQN nvme.NQN = "nqn.2026-11.test.braid:h1"
	testSize             = 8 << 20
	blockSize            = 512
)

// patience bounds what takes as long as it takes.
const patience = 20 * time.Second

// targetConfig is a target with two ports and a namespace in each of two ANA
// groups.
func targetConfig() target.Config {
	loopback := netip.MustParseAddrPort("127.0.0.1:0")
	return target.Config{
		Subsystems: []target.SubsystemConfig{{NQN: testNQN, Namespaces: []target.NamespaceConfig{
			{NSID: 1, IDs: []nvme.NamespaceID{{Type: nvme.UUID, Value: "0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190801"}}, Size: testSize},
			{NSID: 5, IDs: []nvme.NamespaceID{{Type: nvme.UUID, Value: "0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190805"}}, Size: testSize, ANAGroup: 2},
		}}},
		Ports: []target.PortConfig{{ID: 1, Address: loopback}, {ID: 2, Address: loopback}},
	}
}

func startTarget(t testing.TB, cfg target.Config) *target.Target {
	t.Helper()
	tg, err := target.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tg.Close(); err != nil {
			t.Errorf("closing the target: %v", err)
		}
	})
	return tg
}

// transportID is how a host reaches a port.
func transportID(t testing.TB, tg *target.Target, port uint16) nvme.TransportID {
	t.Helper()
	a, err := tg.Address(port)
	if err != nil {
		t.Fatal(err)
	}
	return wayTo(a)
}

func wayTo(a netip.AddrPort) nvme.TransportID {
	return nvme.TransportID{Transport: nvme.TransportTCP, TrAddr: a.Addr().String(), TrSvcID: strconv.Itoa(int(a.Port()))}
}

// hostConfig is a host of port 1.
func hostConfig(t testing.TB, tg *target.Target) Config {
	return Config{
		Address: transportID(t, tg, 1), SubsystemNQN: testNQN, HostNQN: testHostNQN, HostID: [16]byte{1},
		ReconnectDelay: 200 * time.Millisecond,
	}
}

// journal keeps what a controller tells its owner.
type journal struct {
	mu    sync.Mutex
	list  []string
	added chan struct{}
}

// of makes cfg write into a journal.
func journalOf(cfg *Config) *journal {
	j := &journal{added: make(chan struct{}, 1)}
	cfg.StateChanged = func(s nvme.ControllerState) { j.add(string(s)) }
	cfg.ANAChanged = func() { j.add("ANA") }
	cfg.NamespacesChanged = func() { j.add("namespaces") }
	return j
}

func (j *journal) add(s string) {
	j.mu.Lock()
	j.list = append(j.list, s)
	j.mu.Unlock()
	select {
	case j.added <- struct{}{}:
	default:
	}
}

// await waits until the journal has at least the words given, in order and one
// after the other, and forgets all up to them.
func (j *journal) await(t testing.TB, words ...string) {
	t.Helper()
	timeout := time.After(patience)
	for _, want := range words {
		for {
			j.mu.Lock()
			var got string
			if len(j.list) > 0 {
				got, j.list = j.list[0], j.list[1:]
			}
			j.mu.Unlock()
			if got == want {
				break
			}
			if got != "" {
				t.Fatalf("the controller told of %q, want %q", got, want)
			}
			select {
			case <-j.added:
			case <-timeout:
				t.Fatalf("waiting for %q", want)
			}
		}
	}
}

func connect(t testing.TB, cfg Config) *Controller {
	t.Helper()
	c, err := Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Whatever the test did to the target: it must not take for ever.
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = c.Close(ctx)
	})
	return c
}

// rw is a read or write of whole blocks of namespace 1.
func rw(op nvmetcp.Opcode, start uint64, data []byte) *Request {
	r := &Request{Command: nvmetcp.Command{Opcode: op, NSID: 1}, Data: data}
	r.Command.SetBlocks(start, uint32(len(data)/blockSize))
	return r
}

// begin submits a request and returns the channel that is closed when it is
// done.
func begin(c *Controller, r *Request, hint uint) <-chan struct{} {
	done := make(chan struct{})
	r.Done = func(*Request) { close(done) }
	c.Submit(r, hint)
	return done
}

func wait(t testing.TB, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("waiting for %s", what)
	}
}

// do executes a request.
func do(t testing.TB, c *Controller, r *Request) nvme.Status {
	t.Helper()
	wait(t, "an I/O command", begin(c, r, 0))
	return r.Completion.Status
}

func mustDo(t testing.TB, c *Controller, r *Request) {
	t.Helper()
	if s := do(t, c, r); s != nvme.StatusSuccess {
		t.Fatalf("opcode 0x%02x: %s", r.Command.Opcode, s)
	}
}

// pattern is n bytes that tell where they belong.
func pattern(seed, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(seed + i/512*31 + i)
	}
	return b
}

func wantBytes(t testing.TB, what string, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	t.Errorf("%s: %d bytes, want %d; they differ from byte %d on", what, len(got), len(want), i)
}

// pipes is a listener in memory, for tests that want time under their control.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

func (p *pipes) dial(ctx context.Context, _ nvme.TransportID) (net.Conn, error) {
	host, target := net.Pipe()
	select {
	case p.conns <- target:
		return host, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// awaitAny waits for a word, and forgets what comes before it.
func (j *journal) awaitAny(t testing.TB, word string) {
	t.Helper()
	timeout := time.After(patience)
	for {
		j.mu.Lock()
		i := slices.Index(j.list, word)
		j.list = j.list[i+1:]
		j.mu.Unlock()
		if i >= 0 {
			return
		}
		select {
		case <-j.added:
		case <-timeout:
			t.Fatalf("waiting for %q", word)
		}
	}
}
