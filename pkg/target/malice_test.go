package target

import (
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"testing"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
	"github.com/braid-csi/braid/pkg/target/targettest"
)

// TestMalice: who breaks the protocol is told what is wrong and loses the
// connection. Nobody else notices.
func TestMalice(t *testing.T) {
	tg := startTarget(t, testConfig())
	bystander := connectHost(t, tg, hostOptions{})
	data := func(d nvmetcp.DataHeader) []byte {
		return append(nvmetcp.Framing{}.AppendH2CData(nil, d), make([]byte, d.Length)...)
	}
	// transfer is an R2T that the target has sent for 64 KiB.
	transfer := func(h *testHost) nvmetcp.Ready {
		h.io.start(rw(nvmetcp.Write, 0, 64<<10), nil)
		_, b := h.io.next()
		r, err := nvmetcp.ParseR2T(b)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, tc := range []struct {
		name string
		do   func(h *testHost)
		want nvmetcp.FatalStatus
	}{
		{"zeros", func(h *testHost) { h.io.send(make([]byte, 300)) }, nvmetcp.InvalidHeaderField},
		{"a second ICReq", func(h *testHost) { h.io.send(nvmetcp.AppendInitRequest(nil, nvmetcp.InitRequest{})) }, nvmetcp.SequenceError},
		{"a PDU of no type", func(h *testHost) { h.io.send([]byte{0x55, 0, 0, 0, 0, 0, 0, 0}) }, nvmetcp.InvalidHeaderField},
		{"a PDU for hosts", func(h *testHost) { h.io.send(nvmetcp.Framing{}.AppendR2T(nil, nvmetcp.Ready{})) }, nvmetcp.SequenceError},
		{"a capsule of 1 MiB", func(h *testHost) {
			cmd := rw(nvmetcp.Write, 0, 1<<20)
			h.io.send(nvmetcp.Framing{}.AppendCommand(nil, &cmd, 1<<20))
		}, nvmetcp.TransferLimit},
		{"a capsule of 4 GiB", func(h *testHost) {
			cmd := rw(nvmetcp.Write, 0, 512)
			b := nvmetcp.Framing{}.AppendCommand(nil, &cmd, 512)
			binary.LittleEndian.PutUint32(b[4:], 0xffffffff)
			h.io.send(b)
		}, nvmetcp.InvalidHeaderField},
		{"data that nobody asked for", func(h *testHost) { h.io.send(data(nvmetcp.DataHeader{TTAG: 3, Length: 512, Last: true})) }, nvmetcp.InvalidHeaderField},
		{"data for a tag beyond all", func(h *testHost) { h.io.send(data(nvmetcp.DataHeader{TTAG: 0xffff, Length: 512})) }, nvmetcp.InvalidHeaderField},
		{"data of another command", func(h *testHost) {
			r := transfer(h)
			h.io.send(data(nvmetcp.DataHeader{CID: r.CID + 1, TTAG: r.TTAG, Length: 512}))
		}, nvmetcp.InvalidHeaderField},
		{"data beyond the transfer", func(h *testHost) {
			r := transfer(h)
			h.io.send(data(nvmetcp.DataHeader{CID: r.CID, TTAG: r.TTAG, Length: r.Length + 512, Last: true}))
		}, nvmetcp.DataOutOfRange},
		{"data far beyond it", func(h *testHost) {
			r := transfer(h)
			h.io.send(data(nvmetcp.DataHeader{CID: r.CID, TTAG: r.TTAG, Offset: 0xffffff00, Length: 512}))
		}, nvmetcp.DataOutOfRange},
		{"data that leaves a gap", func(h *testHost) {
			r := transfer(h)
			h.io.send(data(nvmetcp.DataHeader{CID: r.CID, TTAG: r.TTAG, Offset: 512, Length: 512}))
		}, nvmetcp.DataOutOfRange},
		{"last data before the end", func(h *testHost) {
			r := transfer(h)
			h.io.send(data(nvmetcp.DataHeader{CID: r.CID, TTAG: r.TTAG, Length: 512, Last: true}))
		}, nvmetcp.DataOutOfRange},
		{"no data", func(h *testHost) {
			r := transfer(h)
			h.io.send(data(nvmetcp.DataHeader{CID: r.CID, TTAG: r.TTAG}))
		}, nvmetcp.TransferLimit},
		{"more data in a PDU than it may have", func(h *testHost) {
			h.io.start(rw(nvmetcp.Write, 0, maxTransfer), nil)
			_, b := h.io.next()
			r, err := nvmetcp.ParseR2T(b)
			if err != nil {
				t.Fatal(err)
			}
			h.io.send(data(nvmetcp.DataHeader{CID: r.CID, TTAG: r.TTAG, Length: maxData + 512}))
		}, nvmetcp.TransferLimit},
		{"more commands than the queue has entries", func(h *testHost) {
			for range maxQueueSize + 1 {
				h.io.start(rw(nvmetcp.Write, 0, 64<<10), nil)
			}
		}, nvmetcp.SequenceError},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := connectHost(t, tg, hostOptions{})
			tc.do(h)
			reason := h.io.reason()
			if reason == nil || reason.Status != tc.want {
				t.Errorf("the target closed with %v, want %s", reason, tc.want)
			}
			h.admin.must(nvmetcp.Command{Opcode: nvmetcp.KeepAlive}, nil) // its own controller
			bystander.io.read(0, 512)
		})
	}
}

// TestNoICReq: before ICReq nothing else is taken.
func TestNoICReq(t *testing.T) {
	tg := startTarget(t, testConfig())
	cmd := rw(nvmetcp.Read, 0, 512)
	nc := dial(t, tg, 1)
	q := &queue{t: t, nc: nc, in: nvmetcp.NewReader(nc, 0)}
	q.send(nvmetcp.Framing{}.AppendCommand(nil, &cmd, 0))
	if reason := q.reason(); reason == nil || reason.Status != nvmetcp.SequenceError {
		t.Errorf("the target closed with %v, want a sequence error", reason)
	}
}

// TestDamagedData: a data digest that does not fit costs the command.
func TestDamagedData(t *testing.T) {
	h := connectHost(t, startTarget(t, testConfig()), hostOptions{digests: nvmetcp.DataDigest})
	q := h.io
	good := targettest.Pattern(1, 64<<10)
	cmd := rw(nvmetcp.Write, 0, 4096)
	cmd.SGL.Type = nvmetcp.SGLInCapsule
	q.send(append(append(q.out.AppendCommand(nil, &cmd, 4096), good[:4096]...), 1, 2, 3, 4))
	if c := q.finish(); c.Status != nvme.StatusTransientTransport {
		t.Errorf("in the capsule: %s", c.Status)
	}
	q.start(rw(nvmetcp.Write, 0, len(good)), nil)
	_, b := q.next()
	r, err := nvmetcp.ParseR2T(b)
	if err != nil {
		t.Fatal(err)
	}
	half := uint32(len(good) / 2)
	first := nvmetcp.DataHeader{CID: r.CID, TTAG: r.TTAG, Length: half}
	q.send(append(append(q.out.AppendH2CData(nil, first), good[:half]...), 1, 2, 3, 4))
	second := nvmetcp.DataHeader{CID: r.CID, TTAG: r.TTAG, Offset: half, Length: half, Last: true}
	q.send(q.out.AppendDataDigest(append(q.out.AppendH2CData(nil, second), good[half:]...), good[half:]))
	if c := q.finish(); c.Status != nvme.StatusTransientTransport {
		t.Errorf("in parts: %s", c.Status)
	}
	targettest.WantBytes(t, "what was not written", q.read(0, len(good)), make([]byte, len(good)))
}

// TestDeaf has a host that asks and never reads, next to one that does: the
// first makes nobody wait, not even an ANA change.
func TestDeaf(t *testing.T) {
	tg := startTarget(t, testConfig())
	deaf, other := connectHost(t, tg, hostOptions{}), connectHost(t, tg, hostOptions{})
	cmd := rw(nvmetcp.Read, 0, maxTransfer)
	for range maxQueueSize - 1 {
		deaf.io.start(cmd, nil)
	}
	for range 3 {
		if err := tg.SetANA(1, 1, nvme.ANANonOptimized); err != nil {
			t.Fatal(err)
		}
		other.io.read(0, 4096)
	}
	if err := tg.Cut(1); err != nil {
		t.Fatal(err)
	}
}

// TestMemory has many connections ask for as much memory as they can get.
func TestMemory(t *testing.T) {
	tg := startTarget(t, testConfig())
	const n = 8
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var hosts []*testHost
	for range n {
		h := connectHost(t, tg, hostOptions{})
		for range maxQueueSize - 1 {
			h.io.start(rw(nvmetcp.Write, 0, maxTransfer), nil)
		}
		for range transferMemory / maxTransfer {
			if hd, _ := h.io.next(); hd.Type != nvmetcp.R2T {
				t.Fatalf("%s, want R2T", hd.Type)
			}
		}
		hosts = append(hosts, h)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	// Two connections each, and what the test itself has.
	const each = transferMemory + 2*(receiveBuffer+sendBuffer) + 1<<20
	got := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("%d hosts: %d KiB each", n, got/n>>10)
	if got > n*each {
		t.Errorf("%d hosts with all they could get cost %d bytes, want at most %d", n, got, n*each)
	}
	runtime.KeepAlive(hosts)
}

// FuzzConnection sends anything at all on a connection that is ready for
// commands: the target must go on with whoever comes next.
func FuzzConnection(f *testing.F) {
	cmd := rw(nvmetcp.Write, 0, 4096)
	cmd.SGL.Type = nvmetcp.SGLInCapsule
	write := append(nvmetcp.Framing{}.AppendCommand(nil, &cmd, 4096), make([]byte, 4096)...)
	cmd = rw(nvmetcp.Write, 0, 64<<10)
	large := nvmetcp.Framing{}.AppendCommand(nil, &cmd, 0)
	large = append(nvmetcp.Framing{}.AppendH2CData(large, nvmetcp.DataHeader{TTAG: 0, Length: 1024}), make([]byte, 1024)...)
	cmd = nvmetcp.Command{Opcode: nvmetcp.Identify, SGL: nvmetcp.SGL{Length: 4096}}
	identify := nvmetcp.Framing{}.AppendCommand(nil, &cmd, 0)
	for _, b := range [][]byte{write, large, identify, {}, make([]byte, 200)} {
		f.Add(true, b)
		f.Add(false, b)
	}
	tg, p := startPiped(f, testConfig())
	f.Fuzz(func(t *testing.T, admin bool, b []byte) {
		h := &testHost{admin: newQueue(t, dialPiped(t, p), 0)}
		h.id = h.admin.connect(nvmetcp.ConnectRequest{QueueSize: 31}, testNQN, nvmetcp.DynamicController)
		h.admin.enable()
		victim := h.admin
		if !admin {
			victim = newQueue(t, dialPiped(t, p), 0)
			victim.connect(nvmetcp.ConnectRequest{QueueID: 1, QueueSize: 15}, testNQN, h.id)
		}
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			_, _ = io.Copy(io.Discard, victim.nc) // until the target closes
		}()
		_, _ = victim.nc.Write(b) // the target may close in the middle
		_ = victim.nc.Close()
		<-drained
		_ = h.admin.nc.Close()
		targettest.Until(t, "all connections to end", func() bool { return len(tg.ports[0].connections()) == 0 })
	})
}

// TestManyControllers: the IDs that hosts are given are not in use.
func TestManyControllers(t *testing.T) {
	s := newDiscovery()
	seen := map[uint16]bool{}
	s.last = maxControllerID - 3
	for i := range maxControllers {
		k := &controller{}
		if !s.add(k) {
			t.Fatalf("controller %d was refused", i+1)
		}
		if k.id == 0 || k.id > maxControllerID || seen[k.id] {
			t.Fatalf("controller %d got ID %d", i+1, k.id)
		}
		seen[k.id] = true
	}
	if s.add(&controller{}) {
		t.Error(fmt.Sprint("more than ", maxControllers, " controllers"))
	}
}
