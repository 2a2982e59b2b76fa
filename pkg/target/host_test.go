package target

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
	"github.com/braid-csi/braid/pkg/target/targettest"
)

const (
	testNQN     nvme.NQN = "nqn.2026-11.test.braid:s1"
	testHostNQN nvme.NQN = "nqn.2026-11.test.braid:h1"
	testSize             = 8 << 20
)

// testConfig is a target with two ports on 127.0.0.1 and a namespace of 512
// byte blocks in each of two ANA groups.
func testConfig() Config {
	loopback := netip.MustParseAddrPort("127.0.0.1:0")
	return Config{
		Subsystems: []SubsystemConfig{{NQN: testNQN, Namespaces: []NamespaceConfig{
			{NSID: 1, IDs: []nvme.NamespaceID{{Type: nvme.UUID, Value: "0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190801"}}, Size: testSize},
			{NSID: 5, IDs: []nvme.NamespaceID{{Type: nvme.UUID, Value: "0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190805"}}, Size: testSize, ANAGroup: 2},
		}}},
		Ports: []PortConfig{{ID: 1, Address: loopback}, {ID: 2, Address: loopback}},
	}
}

func startTarget(t testing.TB, cfg Config) *Target {
	t.Helper()
	tg, err := Start(t.Context(), cfg)
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

// queue is a host's end of a connection: as plain as can be, one PDU at a time.
type queue struct {
	t    testing.TB
	nc   net.Conn
	in   *nvmetcp.Reader
	out  nvmetcp.Framing
	cid  uint16
	data []byte // of the last C2HData
}

func dial(t testing.TB, tg *Target, port uint16) net.Conn {
	t.Helper()
	a, err := tg.Address(port)
	if err != nil {
		t.Fatal(err)
	}
	nc, err := net.Dial("tcp", a.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	return nc
}

// newQueue negotiates on a connection.
func newQueue(t testing.TB, nc net.Conn, digests nvmetcp.Digests) *queue {
	t.Helper()
	q := &queue{t: t, nc: nc, in: nvmetcp.NewReader(nc, 64<<10)}
	q.send(nvmetcp.AppendInitRequest(nil, nvmetcp.InitRequest{Digests: digests}))
	h, b := q.next()
	if h.Type != nvmetcp.ICResp {
		t.Fatalf("%s, want ICResp", h.Type)
	}
	r, err := nvmetcp.ParseInitResponse(b)
	if err != nil {
		t.Fatal(err)
	}
	q.out = nvmetcp.Framing{Digests: r.Digests, PDA: r.PDA}
	q.in.Framing = nvmetcp.Framing{Digests: r.Digests}
	return q
}

func (q *queue) send(b []byte) {
	q.t.Helper()
	if err := q.nc.SetDeadline(time.Now().Add(targettest.Patience)); err != nil {
		q.t.Fatal(err)
	}
	if _, err := q.nc.Write(b); err != nil {
		q.t.Fatal(err)
	}
}

func (q *queue) next() (nvmetcp.Header, []byte) {
	q.t.Helper()
	h, b, err := q.in.Next()
	if err != nil {
		q.t.Fatal(err)
	}
	return h, b
}

// start sends a command with its data in the capsule and returns its ID.
func (q *queue) start(cmd nvmetcp.Command, data []byte) uint16 {
	q.t.Helper()
	q.cid++
	cmd.CID = q.cid
	if data != nil {
		cmd.SGL = nvmetcp.SGL{Length: uint32(len(data)), Type: nvmetcp.SGLInCapsule}
	} else if cmd.SGL.Type == 0 {
		cmd.SGL.Type = nvmetcp.SGLTransport
	}
	b := q.out.AppendCommand(nil, &cmd, len(data))
	b = append(b, data...)
	if len(data) > 0 {
		b = q.out.AppendDataDigest(b, data)
	}
	q.send(b)
	return cmd.CID
}

// finish reads until a command completes, and keeps the data that came.
func (q *queue) finish() nvmetcp.Completion {
	q.t.Helper()
	q.data = nil
	for {
		h, b := q.next()
		switch h.Type {
		case nvmetcp.CapsuleResp:
			c, err := nvmetcp.ParseCapsuleCompletion(b)
			if err != nil {
				q.t.Fatal(err)
			}
			return c
		case nvmetcp.C2HData:
			d, err := q.in.Framing.ParseData(h, b)
			if err != nil {
				q.t.Fatal(err)
			}
			if int(d.Offset) != len(q.data) {
				q.t.Fatalf("data at %d, want %d", d.Offset, len(q.data))
			}
			part := make([]byte, d.Length)
			if err := q.in.ReadData(part); err != nil {
				q.t.Fatal(err)
			}
			q.data = append(q.data, part...)
			if d.Success {
				return nvmetcp.Completion{CID: d.CID}
			}
		default:
			q.t.Fatalf("unexpected %s", h.Type)
		}
	}
}

// do sends a command and returns its completion.
func (q *queue) do(cmd nvmetcp.Command, data []byte) nvmetcp.Completion {
	q.t.Helper()
	cid := q.start(cmd, data)
	c := q.finish()
	if c.CID != cid {
		q.t.Fatalf("command %d completed, want %d", c.CID, cid)
	}
	return c
}

// must is do for a command that succeeds; it returns the result.
func (q *queue) must(cmd nvmetcp.Command, data []byte) uint64 {
	q.t.Helper()
	c := q.do(cmd, data)
	if c.Status != nvme.StatusSuccess {
		q.t.Fatalf("opcode 0x%02x: status %s (result 0x%x)", cmd.Opcode, c.Status, c.Result)
	}
	return c.Result
}

// testHost is a controller with one I/O queue, ready for commands.
type testHost struct {
	admin, io *queue
	id        uint16
}

type hostOptions struct {
	port          uint16
	digests       nvmetcp.Digests
	keepAlive     time.Duration
	noFlowControl bool
	subsystem     nvme.NQN
}

func connectHost(t testing.TB, tg *Target, o hostOptions) *testHost {
	t.Helper()
	if o.port == 0 {
		o.port = 1
	}
	if o.subsystem == "" {
		o.subsystem = testNQN
	}
	h := &testHost{admin: newQueue(t, dial(t, tg, o.port), o.digests)}
	h.id = h.admin.connect(nvmetcp.ConnectRequest{QueueSize: 31, KeepAlive: uint32(o.keepAlive.Milliseconds())}, o.subsystem, nvmetcp.DynamicController)
	h.admin.enable()
	if o.subsystem == nvmetcp.DiscoveryNQN {
		return h
	}
	h.io = newQueue(t, dial(t, tg, o.port), o.digests)
	h.io.connect(nvmetcp.ConnectRequest{QueueID: 1, QueueSize: maxQueueSize - 1, NoFlowControl: o.noFlowControl}, o.subsystem, h.id)
	return h
}

func connectData(subsystem nvme.NQN, controller uint16) nvmetcp.ConnectData {
	return nvmetcp.ConnectData{HostID: [16]byte{1}, ControllerID: controller, SubsystemNQN: subsystem, HostNQN: testHostNQN}
}

// connect connects the queue and returns the controller's ID.
func (q *queue) connect(r nvmetcp.ConnectRequest, subsystem nvme.NQN, controller uint16) uint16 {
	q.t.Helper()
	var cmd nvmetcp.Command
	cmd.SetConnect(r)
	id, _ := nvmetcp.ParseConnectResult(q.must(cmd, connectData(subsystem, controller).Append(nil)))
	return id
}

// enable starts the controller of an admin queue.
func (q *queue) enable() {
	q.t.Helper()
	var cmd nvmetcp.Command
	cmd.SetPropertySet(nvmetcp.PropertyCC, uint64(nvmetcp.EnableConfiguration))
	q.must(cmd, nil)
	cmd = nvmetcp.Command{}
	cmd.SetPropertyGet(nvmetcp.PropertyCSTS)
	if status := nvmetcp.ControllerStatus(q.must(cmd, nil)); status != nvmetcp.ControllerReady {
		q.t.Fatalf("CSTS 0x%x after CC.EN, want ready", uint32(status))
	}
}

// rw is a read or write of blocks of 512 bytes.
func rw(op nvmetcp.Opcode, start uint64, n int) nvmetcp.Command {
	cmd := nvmetcp.Command{Opcode: op, NSID: 1, SGL: nvmetcp.SGL{Length: uint32(n), Type: nvmetcp.SGLTransport}}
	cmd.SetBlocks(start, uint32(n/512))
	return cmd
}

// write writes in the capsule if it fits there, else as R2Ts say.
func (q *queue) write(start uint64, data []byte) nvme.Status {
	q.t.Helper()
	cmd := rw(nvmetcp.Write, start, len(data))
	if len(data) <= inCapsule {
		return q.do(cmd, data).Status
	}
	q.start(cmd, nil)
	return q.transfer(data)
}

// transfer answers one R2T with all of the data, in parts of maxData.
func (q *queue) transfer(data []byte) nvme.Status {
	q.t.Helper()
	h, b := q.next()
	if h.Type != nvmetcp.R2T {
		q.t.Fatalf("%s, want R2T", h.Type)
	}
	r, err := nvmetcp.ParseR2T(b)
	if err != nil {
		q.t.Fatal(err)
	}
	for part := range chunks(data[r.Offset:][:r.Length], maxData) {
		d := nvmetcp.DataHeader{CID: r.CID, TTAG: r.TTAG, Offset: r.Offset, Length: uint32(len(part))}
		r.Offset += d.Length
		d.Last = int(r.Offset) == len(data)
		q.send(q.out.AppendDataDigest(append(q.out.AppendH2CData(nil, d), part...), part))
	}
	return q.finish().Status
}

func chunks(b []byte, n int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for ; len(b) > 0; b = b[min(n, len(b)):] {
			if !yield(b[:min(n, len(b))]) {
				return
			}
		}
	}
}

func (q *queue) read(start uint64, n int) []byte {
	q.t.Helper()
	q.must(rw(nvmetcp.Read, start, n), nil)
	return q.data
}

// closed waits until the target has closed the connection.
func (q *queue) closed() {
	q.t.Helper()
	_ = q.reason() // there need not be one
}

// reason waits until the target has closed the connection, and returns why if
// it said so.
func (q *queue) reason() *nvmetcp.ProtocolError {
	q.t.Helper()
	if err := q.nc.SetDeadline(time.Now().Add(targettest.Patience)); err != nil && !errors.Is(err, io.ErrClosedPipe) {
		q.t.Fatal(err)
	}
	var reason *nvmetcp.ProtocolError
	for {
		h, b, err := q.in.Next()
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
			q.t.Fatal("the target has not closed the connection")
		}
		if err != nil {
			return reason
		}
		if h.Type == nvmetcp.C2HTermReq {
			if reason, err = nvmetcp.ParseTermReq(b); err != nil {
				q.t.Fatal(err)
			}
		}
	}
}
