package host

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
	"github.com/braid-csi/braid/pkg/target"
	"github.com/braid-csi/braid/pkg/target/targettest"
)

const (
	testNQN     nvme.NQN = "nqn.2026-11.test.braid:s1"
	testHostNQN nvme.NQN = "nqn.2026-11.test.braid:h1"
	testSize             = 8 << 20
	blockSize            = 512
)

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
	timeout := time.After(targettest.Patience)
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
	case <-time.After(targettest.Patience):
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

// awaitAny waits for a word, and forgets what comes before it.
func (j *journal) awaitAny(t testing.TB, word string) {
	t.Helper()
	timeout := time.After(targettest.Patience)
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
