package head

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
	"github.com/braid-csi/braid/pkg/target"
)

const rigNQN nvme.NQN = "nqn.2026-11.test.braid:s1"

// rig is the real thing: a target with ports on this machine, and a head with a
// path over each.
type rig struct {
	testing.TB
	target *target.Target
	s      *Subsystem
	h      *Head
	ports  []uint16
}

// rigQuiesce is how long the target says that it may take to stop a command.
// Writes are held for less, so that a busy machine does not make it a liar.
const rigQuiesce = time.Second

func newRig(t testing.TB, ports int, size target.Bytes, cfg Config) *rig {
	ctx := klog.NewContext(t.Context(), klog.Logger{}) // what is lost and found again is no news here
	r := &rig{TB: t}
	tc := target.Config{Subsystems: []target.SubsystemConfig{{
		NQN: rigNQN, QuiesceTime: target.Duration(rigQuiesce),
		Namespaces: []target.NamespaceConfig{{NSID: 1, IDs: []nvme.NamespaceID{testID}, Size: size}},
	}}}
	for i := range ports {
		r.ports = append(r.ports, uint16(i+1))
		tc.Ports = append(tc.Ports, target.PortConfig{ID: uint16(i + 1), Address: netip.MustParseAddrPort("127.0.0.1:0")})
	}
	var err error
	if r.target, err = target.Start(ctx, tc); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.target.Close() })
	cfg.Host.SubsystemNQN, cfg.Host.HostNQN, cfg.Host.HostID = rigNQN, "nqn.2026-11.test.braid:h1", [16]byte{1}
	cfg.Host.IOQueues, cfg.Host.ReconnectDelay = 2, 50*time.Millisecond
	cfg.Host.ControllerLossTimeout, cfg.Host.ReconnectAfterDNR = -1, true
	if r.s, err = New(ctx, cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.s.Close(context.WithoutCancel(ctx)); err != nil {
			t.Logf("closing the subsystem: %v", err)
		}
	})
	for _, p := range r.ports {
		r.connect(ctx, p)
	}
	if r.h, err = r.s.Open(ctx, testID); err != nil {
		t.Fatal(err)
	}
	return r
}

// connect connects to a port. With a keep-alive as short as some tests want it,
// the target may give up a host that a busy machine keeps waiting; a controller
// that is connected comes back from that by itself.
func (r *rig) connect(ctx context.Context, port uint16) {
	r.Helper()
	r.until("a connection", func() bool {
		_, err := r.s.Connect(ctx, r.address(port), 0)
		if err != nil {
			r.Log(err)
		}
		return err == nil
	})
}

func (r *rig) address(port uint16) nvme.TransportID {
	r.Helper()
	a, err := r.target.Address(port)
	if err != nil {
		r.Fatal(err)
	}
	id, err := nvme.ParseAddress(a.String())
	if err != nil {
		r.Fatal(err)
	}
	return id
}

// must is for faults, which the target does not refuse.
func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Error(err)
	}
}

func (r *rig) inject(f target.Fault) target.FaultID {
	r.Helper()
	id, err := r.target.Inject(f)
	r.must(err)
	return id
}

// until waits for what must come true.
func (r *rig) until(what string, is func() bool) {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
	defer cancel()
	for !is() {
		if !pause(ctx, time.Millisecond) {
			r.Fatalf("waited in vain for %s: %+v", what, r.s.Snapshot())
		}
	}
}

// pause passes time; false if ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// user does one thing at a time.
type user struct {
	h *Head
	Request
	done chan struct{}
}

func newUser(h *Head) *user {
	u := &user{h: h, done: make(chan struct{}, 1)}
	u.Done = func(*Request) { u.done <- struct{}{} }
	return u
}

// begin starts a request; with data for reads and writes only.
func (u *user) begin(op nvmetcp.Opcode, start uint64, blocks uint32, data []byte) {
	u.Op, u.Start, u.Blocks, u.Data = op, start, blocks, data
	u.h.Submit(&u.Request)
}

func (u *user) do(op nvmetcp.Opcode, start uint64, blocks uint32, data []byte) nvme.Status {
	u.begin(op, start, blocks, data)
	<-u.done
	return u.Status
}
