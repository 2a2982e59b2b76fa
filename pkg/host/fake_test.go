package host

import (
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// fakeController answers as it is told, for what the real target never does. A
// command that has no answer of its own gets that of a sound controller.
type fakeController struct {
	t        testing.TB
	listener net.Listener
	init     nvmetcp.InitResponse
	id       nvmetcp.IdentifyController
	// answer may answer a command, or leave it (false). It runs on the queue's
	// goroutine.
	answer func(f *fakeQueue, c nvmetcp.Command) bool

	mu   sync.Mutex
	seen []nvmetcp.Command // of the admin queue
}

// fakeQueue is a connection to a fakeController.
type fakeQueue struct {
	far
	fake *fakeController
	io   bool
	csts uint64
	// events are the CIDs of Asynchronous Event Requests.
	events []uint16
}

func startFake(t testing.TB, answer func(*fakeQueue, nvmetcp.Command) bool) *fakeController {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeController{
		t: t, listener: l, answer: answer, init: nvmetcp.InitResponse{MaxData: 4096},
		id: nvmetcp.IdentifyController{
			ControllerID: 7, Type: nvmetcp.IOController, KeepAliveGranularity: 1, SubsystemNQN: testNQN, MaxCommands: 64,
			CapsuleCommandSize: 4 + 512, CapsuleResponseSize: 1, Namespaces: 8, Events: nvmetcp.NoticeANA | nvmetcp.NoticeNamespaces,
			MultiPath: nvmetcp.CMICANA, ANATransitionTime: 1, ANAGroups: 1, MaxANAGroupID: 1,
		},
	}
	var queues sync.WaitGroup
	queues.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			queues.Go(func() {
				f.serve(conn)
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(queues.Wait) // after the controller of the host was closed
	t.Cleanup(func() { _ = l.Close() })
	return f
}

// config is that of a host of the fake.
func (f *fakeController) config() Config {
	return Config{
		Address: wayTo(netip.MustParseAddrPort(f.listener.Addr().String())), SubsystemNQN: testNQN, HostNQN: testHostNQN, HostID: [16]byte{1},
	}
}

// commands are the admin commands with that opcode that came.
func (f *fakeController) commands(op nvmetcp.Opcode) (list []nvmetcp.Command) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.seen {
		if c.Opcode == op {
			list = append(list, c)
		}
	}
	return list
}

func (f *fakeController) serve(conn net.Conn) {
	q := &fakeQueue{far: far{t: f.t, conn: conn, in: nvmetcp.NewReader(conn, 1<<20)}, fake: f}
	if h, _, err := q.in.Next(); err != nil || h.Type != nvmetcp.ICReq {
		return
	}
	if _, err := conn.Write(nvmetcp.AppendInitResponse(nil, f.init)); err != nil {
		return
	}
	for {
		h, b, err := q.in.Next()
		if err != nil || h.Type != nvmetcp.CapsuleCmd {
			return
		}
		c, err := nvmetcp.ParseCapsuleCommand(b)
		if err != nil {
			return
		}
		if !q.io {
			f.mu.Lock()
			f.seen = append(f.seen, c)
			f.mu.Unlock()
		}
		if f.answer == nil || !f.answer(q, c) {
			q.sound(c)
		}
	}
}

// sound answers as a sound controller does.
func (q *fakeQueue) sound(c nvmetcp.Command) {
	switch {
	case c.Opcode == nvmetcp.Fabrics && c.FabricsType() == nvmetcp.Connect:
		q.io = c.Connect().QueueID != 0
		q.say(c, nvme.StatusSuccess, nvmetcp.ConnectResult(q.fake.id.ControllerID))
	case c.Opcode == nvmetcp.Fabrics:
		q.property(c)
	case c.Opcode == nvmetcp.Identify && c.IdentifyWhat() == nvmetcp.IdentifyControllerID:
		q.give(c, q.fake.id.Append(nil))
	case c.Opcode == nvmetcp.AsyncEventRequest && !q.io:
		q.events = append(q.events, c.CID)
	case c.Opcode == nvmetcp.GetLogPage && !q.io, c.Opcode == nvmetcp.Identify:
		q.give(c, make([]byte, c.SGL.Length))
	case c.Opcode == nvmetcp.Read && q.io:
		q.give(c, make([]byte, c.SGL.Length))
	default:
		q.say(c, nvme.StatusSuccess, 0)
	}
}

func (q *fakeQueue) property(c nvmetcp.Command) {
	switch p, value, _ := c.Property(); {
	case c.FabricsType() == nvmetcp.PropertySet:
		q.csts = value & 1 // ready when it is enabled
		if nvmetcp.Configuration(value).Shutdown() {
			q.csts |= uint64(nvmetcp.ControllerShutdown)
		}
		q.say(c, nvme.StatusSuccess, 0)
	case p == nvmetcp.PropertyCAP:
		q.say(c, nvme.StatusSuccess, nvmetcp.Capabilities{MaxQueueEntries: 63, Timeout: 1}.Value())
	default:
		q.say(c, nvme.StatusSuccess, q.csts)
	}
}

// say completes a command. That the host has gone is no error here.
func (q *fakeQueue) say(c nvmetcp.Command, status nvme.Status, result uint64) {
	_, _ = q.conn.Write(q.out.AppendCompletion(nil, nvmetcp.Completion{CID: c.CID, Status: status, Result: result}))
}

// give answers a command with data.
func (q *fakeQueue) give(c nvmetcp.Command, data []byte) {
	d := nvmetcp.DataHeader{CID: c.CID, Length: uint32(len(data)), Last: true, Success: true}
	_, _ = q.conn.Write(append(q.out.AppendC2HData(nil, d), data...))
}

// happen completes an Asynchronous Event Request.
func (q *fakeQueue) happen(info nvmetcp.EventInfo, log nvmetcp.LogID) {
	q.say(nvmetcp.Command{CID: q.events[0]}, nvme.StatusSuccess, nvmetcp.Event{Type: nvmetcp.EventNotice, Info: info, Log: log}.Result())
	q.events = q.events[1:]
}
