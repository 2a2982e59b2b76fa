package host

import (
	"testing"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
	"github.com/braid-csi/braid/pkg/target"
	"github.com/braid-csi/braid/pkg/target/targettest"
)

func inject(t testing.TB, tg *target.Target, f target.Fault) target.FaultID {
	t.Helper()
	id, err := tg.Inject(f)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// hitAll waits until the target has n commands that the only fault has hit.
func hitAll(t testing.TB, tg *target.Target, n int64) {
	t.Helper()
	targettest.Until(t, "the target to have all commands", func() bool { return tg.Faults()[0].Hits >= n })
}

// TestCut cuts a path with commands in flight: they come back as aborted and in
// doubt, later ones as not sent, and when the path returns all is as before.
func TestCut(t *testing.T) {
	tg := startTarget(t, targetConfig())
	cfg := hostConfig(t, tg)
	cfg.IOQueues = 2
	j := journalOf(&cfg)
	c := connect(t, cfg)
	j.await(t, "connecting", "live")
	const n = 10
	id := inject(t, tg, target.Fault{Commands: target.Writes, Delay: target.Duration(time.Hour)})
	var requests []*Request
	var done []<-chan struct{}
	for i := range n {
		r := rw(nvmetcp.Write, uint64(i*8), targettest.Pattern(i, 4096))
		requests, done = append(requests, r), append(done, begin(c, r, uint(i)))
	}
	hitAll(t, tg, n)
	before := time.Now()
	if err := tg.Cut(1); err != nil {
		t.Fatal(err)
	}
	for i, r := range requests {
		wait(t, "a command in flight", done[i])
		window := r.InDoubtUntil.Sub(before)
		if r.Completion.Status != nvme.StatusHostAborted || window < c.InDoubt() || window > c.InDoubt()+targettest.Patience {
			t.Errorf("command %d: %s, in doubt for %s, want %s", i, r.Completion.Status, window, c.InDoubt())
		}
	}
	j.await(t, "resetting", "connecting")
	r := rw(nvmetcp.Write, 0, targettest.Pattern(0, 4096))
	if s := do(t, c, r); s != nvme.StatusHostPathError || !r.InDoubtUntil.IsZero() {
		t.Errorf("while it is down: %s, in doubt until %s", s, r.InDoubtUntil)
	}
	if _, err := c.ANALog(t.Context()); err == nil {
		t.Error("a log was read while it is down")
	}
	if err := tg.Clear(id); err != nil {
		t.Fatal(err)
	}
	if err := tg.Repair(1); err != nil {
		t.Fatal(err)
	}
	j.await(t, "live")
	mustDo(t, c, r)
	counters := c.Counters()
	if counters[nvme.Resets] != 1 || counters[nvme.Reconnects] < 1 {
		t.Errorf("counters %v, want 1 reset and at least 1 reconnect", counters)
	}
	for name := range counters {
		if err := c.SetCounter(name, 7); err != nil || c.Counters()[name] != 7 {
			t.Errorf("setting %s to 7: %v, it is %d", name, err, c.Counters()[name])
		}
	}
	if err := c.SetCounter(nvme.Failovers, 0); err == nil {
		t.Error("a controller has a counter of failovers")
	}
}

// TestReset: one that is asked for connects again at once, and counts as no
// attempt to reconnect.
func TestReset(t *testing.T) {
	tg := startTarget(t, targetConfig())
	cfg := hostConfig(t, tg)
	cfg.ReconnectDelay = time.Hour
	j := journalOf(&cfg)
	c := connect(t, cfg)
	for range 3 {
		j.await(t, "connecting", "live")
		c.Reset()
		j.await(t, "resetting")
	}
	j.await(t, "connecting", "live")
	mustDo(t, c, rw(nvmetcp.Write, 0, targettest.Pattern(1, 4096)))
	if got := c.Counters(); got[nvme.Resets] != 3 || got[nvme.Reconnects] != 0 {
		t.Errorf("counters %v, want 3 resets and no reconnects", got)
	}
}

// TestOneQueueLost: a connection that ends costs the association.
func TestOneQueueLost(t *testing.T) {
	for queue, name := range []string{"admin", "first I/O", "second I/O"} {
		t.Run(name, func(t *testing.T) {
			tg := startTarget(t, targetConfig())
			cfg := hostConfig(t, tg)
			cfg.IOQueues = 2
			j := journalOf(&cfg)
			c := connect(t, cfg)
			if err := tg.Drop(1, queue); err != nil {
				t.Fatal(err)
			}
			j.await(t, "connecting", "live", "resetting", "connecting", "live")
			mustDo(t, c, rw(nvmetcp.Read, 0, make([]byte, 4096)))
		})
	}
}

// TestRefusedForGood: DNR ends a controller, unless it is told to go on.
func TestRefusedForGood(t *testing.T) {
	for _, goOn := range []bool{false, true} {
		tg := startTarget(t, targetConfig())
		cfg := hostConfig(t, tg)
		cfg.ReconnectAfterDNR = goOn
		j := journalOf(&cfg)
		c := connect(t, cfg)
		inject(t, tg, target.Fault{Commands: target.Connects, Count: 2, Status: nvme.StatusConnectInvalidParameters | nvme.DNR})
		c.Reset()
		j.await(t, "connecting", "live", "resetting", "connecting")
		if goOn {
			j.await(t, "live")
			if got := c.Counters()[nvme.Reconnects]; got != 2 {
				t.Errorf("%d reconnects, want 2", got)
			}
			continue
		}
		j.await(t, "deleting", "dead")
		r := rw(nvmetcp.Read, 0, make([]byte, 512))
		if s := do(t, c, r); s != nvme.StatusHostPathError || c.Available() {
			t.Errorf("dead controller: %s, available %t", s, c.Available())
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestClose: the target is told, what is in flight comes back, and closing again
// is harmless.
func TestClose(t *testing.T) {
	tg := startTarget(t, targetConfig())
	cfg := hostConfig(t, tg)
	j := journalOf(&cfg)
	c := connect(t, cfg)
	inject(t, tg, target.Fault{Commands: target.Writes, Delay: target.Duration(time.Hour)})
	r := rw(nvmetcp.Write, 0, targettest.Pattern(0, 4096))
	done := begin(c, r, 0)
	hitAll(t, tg, 1)
	for range 2 {
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	wait(t, "the command in flight", done)
	if r.Completion.Status != nvme.StatusHostAborted || r.InDoubtUntil.IsZero() {
		t.Errorf("the command in flight: %s, in doubt until %s", r.Completion.Status, r.InDoubtUntil)
	}
	j.await(t, "connecting", "live", "deleting", "dead")
	targettest.Until(t, "the target to forget it", func() bool { return len(tg.State().Controllers) == 0 })
}

// TestCloseWhileDown ends reconnecting.
func TestCloseWhileDown(t *testing.T) {
	tg := startTarget(t, targetConfig())
	cfg := hostConfig(t, tg)
	j := journalOf(&cfg)
	c := connect(t, cfg)
	if err := tg.Cut(1); err != nil {
		t.Fatal(err)
	}
	j.await(t, "connecting", "live", "resetting", "connecting")
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	j.await(t, "deleting", "dead")
}
