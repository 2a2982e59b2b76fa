package host

import (
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
	"github.com/braid-csi/braid/pkg/target/targettest"
)

// far is the controller's end of a queue, for tests that play the controller.
type far struct {
	t    testing.TB
	conn net.Conn
	in   *nvmetcp.Reader
	out  nvmetcp.Framing
}

// nearAndFar returns a queue that is ready for commands, over a socket, and its
// other end. broken receives why the queue ended.
func nearAndFar(t testing.TB, framing nvmetcp.Framing) (q *queue, f *far, broken <-chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	q, broken = newTestQueue(near, framing)
	t.Cleanup(func() {
		q.stop()
		_ = conn.Close()
	})
	if err := conn.SetDeadline(time.Now().Add(targettest.Patience)); err != nil {
		t.Fatal(err)
	}
	f = &far{t: t, conn: conn, in: nvmetcp.NewReader(conn, 1<<20), out: framing}
	f.in.Framing = framing
	return q, f, broken
}

// newTestQueue is a queue of 15 commands that has negotiated already.
func newTestQueue(conn net.Conn, framing nvmetcp.Framing) (*queue, <-chan error) {
	broken := make(chan error, 1)
	q := newQueue(1, conn, 16, 8<<10, func(err error) { broken <- err })
	q.framing, q.in.Framing, q.maxData = framing, nvmetcp.Framing{Digests: framing.Digests}, 4096
	q.start()
	return q, broken
}

// command receives a command, and skips data that was asked for before it.
func (f *far) command() nvmetcp.Command {
	f.t.Helper()
	h, b := f.next()
	for h.Type == nvmetcp.H2CData {
		h, b = f.next()
	}
	if h.Type != nvmetcp.CapsuleCmd {
		f.t.Fatalf("%s, want a command", h.Type)
	}
	c, err := nvmetcp.ParseCapsuleCommand(b)
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

func (f *far) next() (nvmetcp.Header, []byte) {
	f.t.Helper()
	h, b, err := f.in.Next()
	if err != nil {
		f.t.Fatal(err)
	}
	return h, b
}

func (f *far) send(b []byte) {
	f.t.Helper()
	if _, err := f.conn.Write(b); err != nil {
		f.t.Fatal(err)
	}
}

func (f *far) complete(c nvmetcp.Completion) { f.send(f.out.AppendCompletion(nil, c)) }

func (f *far) data(d nvmetcp.DataHeader) {
	data := targettest.Pattern(int(d.Offset), int(d.Length))
	f.send(f.out.AppendDataDigest(append(f.out.AppendC2HData(nil, d), data...), data))
}

func (f *far) ready(r nvmetcp.Ready) { f.send(f.out.AppendR2T(nil, r)) }

// reason is what the queue says is wrong, before it closes the connection; nil
// if it says nothing.
func (f *far) reason() (reason *nvmetcp.ProtocolError) {
	for {
		h, b, err := f.in.Next()
		if err == nil && h.Type == nvmetcp.H2CTermReq {
			reason, err = nvmetcp.ParseTermReq(b)
		}
		if err != nil {
			return reason
		}
	}
}

// start submits a read or write that is not to come back, and returns it as it
// has arrived.
func (f *far) start(q *queue, op nvmetcp.Opcode, n int) nvmetcp.Command {
	f.t.Helper()
	r := rw(op, 0, make([]byte, n))
	r.Done = func(*Request) { f.t.Errorf("opcode 0x%02x came back: %s", op, r.Completion.Status) }
	if !q.submit(r) {
		f.t.Fatal("the queue takes no commands")
	}
	return f.command()
}

// TestMalice: a controller that breaks the protocol is told how, and loses the
// connection; no command is taken for done.
func TestMalice(t *testing.T) {
	const n = 64 << 10
	for _, tc := range []struct {
		name string
		do   func(f *far, read, write nvmetcp.Command)
		want nvmetcp.FatalStatus
	}{
		{"zeros", func(f *far, _, _ nvmetcp.Command) { f.send(make([]byte, 300)) }, nvmetcp.InvalidHeaderField},
		{"a PDU of no type", func(f *far, _, _ nvmetcp.Command) { f.send([]byte{0x55, 0, 0, 0, 0, 0, 0, 0}) }, nvmetcp.InvalidHeaderField},
		{"a second ICResp", func(f *far, _, _ nvmetcp.Command) {
			f.send(nvmetcp.AppendInitResponse(nil, nvmetcp.InitResponse{MaxData: 4096}))
		}, nvmetcp.SequenceError},
		{"a command", func(f *far, read, _ nvmetcp.Command) { f.send(f.out.AppendCommand(nil, &read, 0)) }, nvmetcp.SequenceError},
		{"completion of no command", func(f *far, read, _ nvmetcp.Command) { f.complete(nvmetcp.Completion{CID: read.CID + 5}) }, nvmetcp.InvalidHeaderField},
		{"completion of a command beyond all", func(f *far, _, _ nvmetcp.Command) { f.complete(nvmetcp.Completion{CID: 0xffff}) }, nvmetcp.InvalidHeaderField},
		{"completion of an earlier command of the slot", func(f *far, read, _ nvmetcp.Command) {
			f.complete(nvmetcp.Completion{CID: read.CID - maxSlots})
		}, nvmetcp.InvalidHeaderField},
		{"a read without its data", func(f *far, read, _ nvmetcp.Command) { f.complete(nvmetcp.Completion{CID: read.CID}) }, nvmetcp.SequenceError},
		{"a read without some of its data", func(f *far, read, _ nvmetcp.Command) {
			f.data(nvmetcp.DataHeader{CID: read.CID, Length: n - 512, Last: true})
			f.complete(nvmetcp.Completion{CID: read.CID})
		}, nvmetcp.SequenceError},
		{"a write without its data", func(f *far, _, write nvmetcp.Command) { f.complete(nvmetcp.Completion{CID: write.CID}) }, nvmetcp.SequenceError},
		{"data for no command", func(f *far, read, _ nvmetcp.Command) { f.data(nvmetcp.DataHeader{CID: read.CID + 5, Length: 512}) }, nvmetcp.InvalidHeaderField},
		{"data for a write", func(f *far, _, write nvmetcp.Command) { f.data(nvmetcp.DataHeader{CID: write.CID, Length: 512}) }, nvmetcp.InvalidHeaderField},
		{"data beyond the end", func(f *far, read, _ nvmetcp.Command) { f.data(nvmetcp.DataHeader{CID: read.CID, Length: n + 512}) }, nvmetcp.DataOutOfRange},
		{"data far beyond the end", func(f *far, read, _ nvmetcp.Command) {
			f.data(nvmetcp.DataHeader{CID: read.CID, Offset: 0xffffff00, Length: 512})
		}, nvmetcp.DataOutOfRange},
		{"data that leaves a gap", func(f *far, read, _ nvmetcp.Command) {
			f.data(nvmetcp.DataHeader{CID: read.CID, Offset: 512, Length: 512})
		}, nvmetcp.DataOutOfRange},
		{"data twice", func(f *far, read, _ nvmetcp.Command) {
			f.data(nvmetcp.DataHeader{CID: read.CID, Length: 1024})
			f.data(nvmetcp.DataHeader{CID: read.CID, Offset: 512, Length: 1024})
		}, nvmetcp.DataOutOfRange},
		{"data after the last", func(f *far, read, _ nvmetcp.Command) {
			f.data(nvmetcp.DataHeader{CID: read.CID, Length: 512, Last: true})
			f.data(nvmetcp.DataHeader{CID: read.CID, Offset: 512, Length: 512})
		}, nvmetcp.DataOutOfRange},
		{"success in data that is not the last", func(f *far, read, _ nvmetcp.Command) {
			f.data(nvmetcp.DataHeader{CID: read.CID, Length: n, Success: true})
		}, nvmetcp.InvalidHeaderField},
		{"success before the end", func(f *far, read, _ nvmetcp.Command) {
			f.data(nvmetcp.DataHeader{CID: read.CID, Length: 512, Last: true, Success: true})
		}, nvmetcp.InvalidHeaderField},
		{"R2T for no command", func(f *far, read, _ nvmetcp.Command) { f.ready(nvmetcp.Ready{CID: read.CID + 5, Length: 512}) }, nvmetcp.InvalidHeaderField},
		{"R2T for a read", func(f *far, read, _ nvmetcp.Command) { f.ready(nvmetcp.Ready{CID: read.CID, Length: 512}) }, nvmetcp.InvalidHeaderField},
		{"R2T beyond the end", func(f *far, _, write nvmetcp.Command) { f.ready(nvmetcp.Ready{CID: write.CID, Length: n + 1}) }, nvmetcp.DataOutOfRange},
		{"R2T far beyond the end", func(f *far, _, write nvmetcp.Command) {
			f.ready(nvmetcp.Ready{CID: write.CID, Offset: 0xffffffff, Length: 0xffffffff})
		}, nvmetcp.DataOutOfRange},
		{"R2T for nothing", func(f *far, _, write nvmetcp.Command) { f.ready(nvmetcp.Ready{CID: write.CID}) }, nvmetcp.DataOutOfRange},
		{"R2T that leaves a gap", func(f *far, _, write nvmetcp.Command) {
			f.ready(nvmetcp.Ready{CID: write.CID, Offset: 512, Length: 512})
		}, nvmetcp.DataOutOfRange},
		{"R2T for what was sent", func(f *far, _, write nvmetcp.Command) {
			f.ready(nvmetcp.Ready{CID: write.CID, Length: 512})
			if h, _ := f.next(); h.Type != nvmetcp.H2CData {
				f.t.Errorf("%s, want H2CData", h.Type)
			}
			f.ready(nvmetcp.Ready{CID: write.CID, Length: 512})
		}, nvmetcp.DataOutOfRange},
		{"two R2Ts at a time", func(f *far, _, write nvmetcp.Command) {
			r := f.out.AppendR2T(nil, nvmetcp.Ready{CID: write.CID, Length: 4096})
			f.send(f.out.AppendR2T(r, nvmetcp.Ready{CID: write.CID, TTAG: 1, Offset: 4096, Length: 4096}))
		}, nvmetcp.TransferLimit},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q, f, broken := nearAndFar(t, nvmetcp.Framing{})
			read := f.start(q, nvmetcp.Read, n)
			write := f.start(q, nvmetcp.Write, n)
			tc.do(f, read, write)
			if reason := f.reason(); reason == nil || reason.Status != tc.want {
				t.Errorf("the host closed with %v, want %s", reason, tc.want)
			}
			if violation, ok := errors.AsType[*nvmetcp.ProtocolError](<-broken); !ok || violation.Status != tc.want {
				t.Errorf("the queue is broken with %v, want %s", violation, tc.want)
			}
			q.stop()
			if sent, unsent := q.takeBack(); count(sent) != 2 || count(unsent) != 0 {
				t.Errorf("%d commands were sent and %d not, want both sent", count(sent), count(unsent))
			}
		})
	}
}

func count(l requests) (n int) {
	for r := l.pop(); r != nil; r = l.pop() {
		n++
	}
	return n
}

// TestTwice: a command that completes twice has completed once.
func TestTwice(t *testing.T) {
	q, f, broken := nearAndFar(t, nvmetcp.Framing{})
	var done atomic.Int32
	r := rw(nvmetcp.Flush, 0, nil)
	r.Done = func(r *Request) {
		if done.Add(1) == 1 {
			q.submit(r) // takes the slot again
		}
	}
	q.submit(r)
	c := f.command()
	f.complete(nvmetcp.Completion{CID: c.CID})
	f.complete(nvmetcp.Completion{CID: c.CID})
	if err := <-broken; !strings.Contains(err.Error(), "not outstanding") {
		t.Error(err)
	}
	if done.Load() != 1 {
		t.Errorf("done %d times", done.Load())
	}
}

// TestControllerGivesUp: its reason is ours.
func TestControllerGivesUp(t *testing.T) {
	_, f, broken := nearAndFar(t, nvmetcp.Framing{})
	reason := &nvmetcp.ProtocolError{Status: nvmetcp.DataOutOfRange}
	f.send(nvmetcp.AppendTermReq(nil, nvmetcp.C2HTermReq, reason, []byte("whatever")))
	if got, ok := errors.AsType[*nvmetcp.ProtocolError](<-broken); !ok || got.Status != reason.Status {
		t.Errorf("broken with %v, want %s", got, reason.Status)
	}
	if said := f.reason(); said != nil {
		t.Errorf("the host answers %v", said)
	}
}

// TestDamagedData: a data digest that does not fit costs the command, a header
// digest the connection.
func TestDamagedData(t *testing.T) {
	q, f, broken := nearAndFar(t, nvmetcp.Framing{Digests: nvmetcp.HeaderDigest | nvmetcp.DataDigest})
	for _, success := range []bool{true, false} {
		r := rw(nvmetcp.Read, 0, make([]byte, 8192))
		done := make(chan struct{})
		r.Done = func(*Request) { close(done) }
		q.submit(r)
		c := f.command()
		first := nvmetcp.DataHeader{CID: c.CID, Length: 4096}
		f.send(append(append(f.out.AppendC2HData(nil, first), make([]byte, 4096)...), 1, 2, 3, 4))
		f.data(nvmetcp.DataHeader{CID: c.CID, Offset: 4096, Length: 4096, Last: true, Success: success})
		if !success {
			f.complete(nvmetcp.Completion{CID: c.CID})
		}
		wait(t, "the read", done)
		if r.Completion.Status != nvme.StatusTransientTransport {
			t.Errorf("success in the data %t: %s", success, r.Completion.Status)
		}
	}
	b := f.out.AppendCompletion(nil, nvmetcp.Completion{})
	b[9] ^= 1
	f.send(b)
	if got, ok := errors.AsType[*nvmetcp.ProtocolError](<-broken); !ok || got.Status != nvmetcp.HeaderDigestError {
		t.Errorf("broken with %v", got)
	}
}

// TestErrorDuringTransfer: a controller may fail a write that it has asked data
// for. Nothing of it is sent any more, and the queue goes on.
func TestErrorDuringTransfer(t *testing.T) {
	q, f, _ := nearAndFar(t, nvmetcp.Framing{})
	for range 3 * len(q.slots.list) {
		r := rw(nvmetcp.Write, 0, make([]byte, 1<<20))
		done := make(chan struct{})
		r.Done = func(*Request) { close(done) }
		q.submit(r)
		c := f.command()
		// Both in one segment: the second is there before the data is sent.
		b := f.out.AppendR2T(nil, nvmetcp.Ready{CID: c.CID, Length: 1 << 20})
		f.send(f.out.AppendCompletion(b, nvmetcp.Completion{CID: c.CID, Status: nvme.StatusANAInaccessible}))
		wait(t, "the write", done)
		if r.Completion.Status != nvme.StatusANAInaccessible {
			t.Fatal(r.Completion.Status)
		}
	}
	if q.transfers.first != nil {
		t.Error("a transfer is left")
	}
}

// FuzzReceive has a controller answer anything at all to a few commands: each
// comes back once, or stays with the queue until it has ended.
func FuzzReceive(f *testing.F) {
	frame := nvmetcp.Framing{}
	const read, write = maxSlots, maxSlots + 1
	whole := nvmetcp.DataHeader{CID: read, Length: 4096, Last: true, Success: true}
	seed := append(frame.AppendC2HData(nil, whole), make([]byte, 4096)...)
	seed = frame.AppendR2T(seed, nvmetcp.Ready{CID: write, Length: 64 << 10})
	for _, b := range [][]byte{
		seed, seed[:len(seed)-1], frame.AppendCompletion(seed, nvmetcp.Completion{CID: write, Status: nvme.StatusWriteFault}),
		nvmetcp.AppendTermReq(nil, nvmetcp.C2HTermReq, &nvmetcp.ProtocolError{Status: nvmetcp.SequenceError}, seed[:24]),
		{}, make([]byte, 200), slices.Repeat([]byte{0xff}, 200),
	} {
		f.Add(uint8(0), b)
		f.Add(uint8(3), b)
	}
	f.Fuzz(func(t *testing.T, digests uint8, b []byte) {
		near, away := net.Pipe()
		q, broken := newTestQueue(near, nvmetcp.Framing{Digests: nvmetcp.Digests(digests & 3)})
		var list []*Request
		back := map[*Request]int{}
		for i := range 20 { // more than fit
			r := rw([]nvmetcp.Opcode{nvmetcp.Read, nvmetcp.Write}[i%2], 0, make([]byte, 4096<<(i%2*4)))
			r.Done = func(r *Request) { back[r]++ }
			list = append(list, r)
			q.submit(r)
		}
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			_, _ = io.Copy(io.Discard, away) // until the queue closes
		}()
		_, _ = away.Write(b) // the queue may close in the middle
		_ = away.Close()
		if err := <-broken; err == nil {
			t.Error("the queue ended without an error")
		}
		q.stop()
		<-drained
		sent, unsent := q.takeBack()
		for _, l := range []requests{sent, unsent} {
			for r := l.pop(); r != nil; r = l.pop() {
				back[r]++
			}
		}
		for i, r := range list {
			if back[r] != 1 {
				t.Errorf("command %d came back %d times", i, back[r])
			}
		}
	})
}
