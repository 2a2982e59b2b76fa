package target

import (
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
	"github.com/braid-csi/braid/pkg/target/targettest"
)

func TestCutAndRepair(t *testing.T) {
	tg := startTarget(t, testConfig())
	one, two := connectHost(t, tg, hostOptions{}), connectHost(t, tg, hostOptions{port: 2})
	address, err := tg.Address(1)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second does nothing
		if err := tg.Cut(1); err != nil {
			t.Fatal(err)
		}
	}
	one.admin.closed()
	one.io.closed()
	if _, err := net.Dial("tcp", address.String()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("connecting to a port that was cut: %v, want %v", err, syscall.ECONNREFUSED)
	}
	two.io.read(0, 512)
	for range 2 {
		if err := tg.Repair(1); err != nil {
			t.Fatal(err)
		}
	}
	if again, err := tg.Address(1); err != nil || again != address {
		t.Errorf("the port is at %s (%v) after the repair, was at %s", again, err, address)
	}
	connectHost(t, tg, hostOptions{}).io.read(0, 512)
	for _, err := range []error{tg.Cut(3), tg.Repair(3), tg.BlackHole(3, AllQueues), tg.SetANA(3, 1, nvme.ANAOptimized), tg.Drop(1, 7)} {
		if err == nil || !strings.Contains(err.Error(), "there is no port 3") && !strings.Contains(err.Error(), "no connection of queue 7") {
			t.Errorf("error %v", err)
		}
	}
}

// silent wants no answer for a while. How long proves little on a machine that
// is busy; that the answer comes after the silence proves the rest.
func silent(t *testing.T, q *queue) {
	t.Helper()
	if err := q.nc.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := q.nc.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d bytes, %v from a black hole", n, err)
	}
	if err := q.nc.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
}

// TestBlackHoleQueue silences one flow and not its neighbour.
func TestBlackHoleQueue(t *testing.T) {
	tg := startTarget(t, testConfig())
	h := connectHost(t, tg, hostOptions{})
	if err := tg.BlackHole(1, 1); err != nil {
		t.Fatal(err)
	}
	h.io.start(rw(nvmetcp.Write, 0, 4096), targettest.Pattern(1, 4096))
	silent(t, h.io)
	h.admin.must(nvmetcp.Command{Opcode: nvmetcp.KeepAlive}, nil)
	two := connectHost(t, tg, hostOptions{})
	targettest.WantBytes(t, "what was written into the black hole", two.io.read(0, 4096), make([]byte, 4096))
	if err := tg.Restore(1, 1); err != nil {
		t.Fatal(err)
	}
	if c := h.io.finish(); c.Status != nvme.StatusSuccess {
		t.Errorf("the write after the silence: %s", c.Status)
	}
	targettest.WantBytes(t, "after the silence", two.io.read(0, 4096), targettest.Pattern(1, 4096))
}

// TestBlackHolePort: also connections that are made later, and the end of a
// controller, are hidden from the host until the silence ends.
func TestBlackHolePort(t *testing.T) {
	tg := startTarget(t, testConfig())
	h := connectHost(t, tg, hostOptions{keepAlive: 200 * time.Millisecond})
	if err := tg.BlackHole(1, AllQueues); err != nil {
		t.Fatal(err)
	}
	s := tg.subsystems[testNQN]
	targettest.Until(t, "the target to give the host up", func() bool { return s.controller(h.id) == nil })
	silent(t, h.admin)
	silent(t, h.io)
	late := dial(t, tg, 1)
	if _, err := late.Write(nvmetcp.AppendInitRequest(nil, nvmetcp.InitRequest{})); err != nil {
		t.Fatal(err)
	}
	silent(t, &queue{nc: late})
	if err := tg.Restore(1, AllQueues); err != nil {
		t.Fatal(err)
	}
	h.admin.closed()
	h.io.closed()
	if n, err := late.Read(make([]byte, 1)); err != nil {
		t.Errorf("%d bytes, %v after the silence, want an ICResp", n, err)
	}
	if err := tg.BlackHole(1, AllQueues); err != nil {
		t.Fatal(err)
	}
	// A cut ends the silence.
	if err := tg.Cut(1); err != nil {
		t.Fatal(err)
	}
	if _, err := late.Read(make([]byte, 1<<10)); err != nil {
		t.Logf("the connection ended: %v", err)
	}
}
