package target

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
	"github.com/braid-csi/braid/pkg/target/targettest"
)

func inject(t *testing.T, tg *Target, f Fault) FaultID {
	t.Helper()
	id, err := tg.Inject(f)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestFaultStatus: exactly so many commands, of that kind, on that port.
func TestFaultStatus(t *testing.T) {
	tg := startTarget(t, testConfig())
	one, two := connectHost(t, tg, hostOptions{}), connectHost(t, tg, hostOptions{port: 2})
	inject(t, tg, Fault{Port: 1, Commands: Writes, Count: 3, Status: nvme.StatusANAInaccessible})
	data := targettest.Pattern(1, 4096)
	for i := range 5 {
		want := nvme.StatusSuccess
		if i < 3 {
			want = nvme.StatusANAInaccessible
		}
		if got := two.io.write(0, data); got != nvme.StatusSuccess {
			t.Errorf("write %d on the other port: %s", i, got)
		}
		one.io.read(0, 512) // not of the kind
		before := one.io.read(64, 4096)
		if got := one.io.do(rw(nvmetcp.Write, 64, 4096), targettest.Pattern(i+2, 4096)).Status; got != want {
			t.Errorf("write %d: %s, want %s", i, got, want)
		}
		if after := one.io.read(64, 4096); bytes.Equal(before, after) != (want != nvme.StatusSuccess) {
			t.Errorf("write %d: answered %s, data as before: %t", i, want, bytes.Equal(before, after))
		}
	}
	if list := tg.Faults(); len(list) != 1 || list[0].Hits != 3 {
		t.Errorf("faults %+v, want one with 3 hits", list)
	}
	// A write that needs an R2T is refused before the host sends its data.
	inject(t, tg, Fault{Count: 1, Status: nvme.StatusInternalError})
	if got := one.io.do(rw(nvmetcp.Write, 0, maxData), nil).Status; got != nvme.StatusInternalError {
		t.Errorf("large write: %s", got)
	}
}

func TestFaultConnectAndAdmin(t *testing.T) {
	tg := startTarget(t, testConfig())
	inject(t, tg, Fault{Commands: Connects, Count: 1, Status: nvme.StatusConnectInvalidParameters | nvme.DNR})
	q := newQueue(t, dial(t, tg, 1), 0)
	var cmd nvmetcp.Command
	cmd.SetConnect(nvmetcp.ConnectRequest{QueueSize: 31})
	if got := q.do(cmd, connectData(testNQN, 0xffff).Append(nil)).Status; got != nvme.StatusConnectInvalidParameters|nvme.DNR {
		t.Errorf("connect: %s", got)
	}
	h := connectHost(t, tg, hostOptions{})
	id := inject(t, tg, Fault{Commands: KeepAlive, Drop: true})
	h.io.read(0, 512)
	h.admin.start(nvmetcp.Command{Opcode: nvmetcp.KeepAlive}, nil)
	h.admin.closed()
	h.io.closed()
	if err := tg.Clear(id); err != nil {
		t.Fatal(err)
	}
	if err := tg.Clear(id); err == nil {
		t.Error("a fault that is not there was cleared")
	}
	h = connectHost(t, tg, hostOptions{})
	h.admin.must(nvmetcp.Command{Opcode: nvmetcp.KeepAlive}, nil)
}

// TestFaultDelay: commands that are delayed overtake nothing on their way in,
// run beside each other, and do not run at all if the connection ends.
func TestFaultDelay(t *testing.T) {
	tg := startTarget(t, testConfig())
	h := connectHost(t, tg, hostOptions{})
	id := inject(t, tg, Fault{Commands: Writes, Delay: Duration(50 * time.Millisecond)})
	begin := time.Now()
	const n = 20
	for i := range n {
		h.io.start(rw(nvmetcp.Write, uint64(i*8), 4096), targettest.Pattern(i, 4096))
	}
	for range n {
		if c := h.io.finish(); c.Status != nvme.StatusSuccess {
			t.Fatal(c.Status)
		}
	}
	if took := time.Since(begin); took < 50*time.Millisecond {
		t.Errorf("%d writes that take 50 ms each took %s", n, took)
	}
	for i := range n {
		targettest.WantBytes(t, "delayed write", h.io.read(uint64(i*8), 4096), targettest.Pattern(i, 4096))
	}
	if got := h.io.write(4096, targettest.Pattern(3, maxData)); got != nvme.StatusSuccess {
		t.Errorf("large delayed write: %s", got)
	}
	targettest.WantBytes(t, "large delayed write", h.io.read(4096, maxData), targettest.Pattern(3, maxData))

	if err := tg.Clear(id); err != nil {
		t.Fatal(err)
	}
	inject(t, tg, Fault{Commands: Writes, Delay: Duration(time.Hour)})
	h.io.start(rw(nvmetcp.Write, 0, 4096), targettest.Pattern(99, 4096))
	h.io.must(nvmetcp.Command{Opcode: nvmetcp.Flush, NSID: 1}, nil)
	if err := tg.Cut(1); err != nil { // waits for what runs
		t.Fatal(err)
	}
	h = connectHost(t, tg, hostOptions{port: 2})
	targettest.WantBytes(t, "the block of a write that was cut", h.io.read(0, 4096), targettest.Pattern(0, 4096))
}

// TestFaultHold is the late write: it takes effect over one that came after it
// on another path, after its own connection has ended.
func TestFaultHold(t *testing.T) {
	tg := startTarget(t, testConfig())
	one, two := connectHost(t, tg, hostOptions{}), connectHost(t, tg, hostOptions{port: 2})
	hold := Duration(20 * time.Millisecond)
	inject(t, tg, Fault{Port: 1, Commands: Writes, Count: 2, Hold: &hold})
	stale, large, fresh := targettest.Pattern(1, 4096), targettest.Pattern(2, maxData), targettest.Pattern(3, 4096)
	one.io.start(rw(nvmetcp.Write, 0, 4096), stale)
	one.io.start(rw(nvmetcp.Write, 1024, maxData), nil)
	h, b := one.io.next()
	r, err := nvmetcp.ParseR2T(b)
	if err != nil || h.Type != nvmetcp.R2T {
		t.Fatalf("%s, %v", h.Type, err)
	}
	one.io.send(append(one.io.out.AppendH2CData(nil, nvmetcp.DataHeader{CID: r.CID, TTAG: r.TTAG, Length: maxData, Last: true}), large...))
	targettest.Until(t, "two held writes", func() bool { held, _ := tg.LateWrites(); return held == 2 })
	one.io.must(nvmetcp.Command{Opcode: nvmetcp.Flush, NSID: 1}, nil) // the queue goes on
	if got := two.io.write(0, fresh); got != nvme.StatusSuccess {
		t.Fatal(got)
	}
	if _, applied := tg.LateWrites(); applied != 0 {
		t.Error("a held write was applied while its connection is there")
	}
	targettest.WantBytes(t, "the retried write", two.io.read(0, 4096), fresh)
	if err := tg.Drop(1, 1); err != nil {
		t.Fatal(err)
	}
	targettest.Until(t, "both writes to be applied", func() bool { _, applied := tg.LateWrites(); return applied == 2 })
	targettest.WantBytes(t, "after the late write", two.io.read(0, 4096), stale)
	targettest.WantBytes(t, "after the large late write", two.io.read(1024, maxData), large)
}

// TestHeldAtClose: what is held is not applied to a target that is closing.
func TestHeldAtClose(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(name, make([]byte, testSize), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := testConfig()
	n := &cfg.Subsystems[0].Namespaces[0]
	n.File, n.Size = name, 0
	tg := startTarget(t, cfg)
	h := connectHost(t, tg, hostOptions{})
	hold := Duration(0)
	inject(t, tg, Fault{Hold: &hold})
	h.io.start(rw(nvmetcp.Write, 0, 4096), targettest.Pattern(1, 4096))
	targettest.Until(t, "a held write", func() bool { held, _ := tg.LateWrites(); return held == 1 })
	if err := tg.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	targettest.WantBytes(t, "the file", b, make([]byte, testSize))
}

func TestFaultRefused(t *testing.T) {
	tg := startTarget(t, testConfig())
	second := Duration(time.Second)
	for want, f := range map[string]Fault{
		"exactly one of":                {},
		"exactly one of status, delay":  {Status: 1, Drop: true},
		`commands: "all" is not a kind`: {Commands: "all", Drop: true},
		"count: -1 is negative":         {Count: -1, Drop: true},
		"port: there is no port 9":      {Port: 9, Drop: true},
		"status: 0x8000":                {Status: 0x8000},
		"can be answered or dropped":    {Commands: KeepAlive, Hold: &second},
		"connect can be answered":       {Commands: Connects, Delay: second},
	} {
		if _, err := tg.Inject(f); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want one with %q", f, err, want)
		}
	}
	if len(tg.Faults()) != 0 {
		t.Errorf("faults that were refused are in place: %+v", tg.Faults())
	}
}
