package host

import (
	"testing"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
	"github.com/braid-csi/braid/pkg/target"
	"github.com/braid-csi/braid/pkg/target/targettest"
)

func TestInDoubtWindow(t *testing.T) {
	const tbkas = nvmetcp.CTRATTTrafficKATO
	for _, tc := range []struct {
		name        string
		kato        time.Duration
		attributes  uint32
		granularity uint16 // 100 ms
		cqt         uint16 // ms
		atLeast     time.Duration
		want        time.Duration
	}{
		{"2 x KATO", 5 * time.Second, 0, 1, 0, 0, 10 * time.Second},
		{"3 x KATO with TBKAS", 5 * time.Second, tbkas, 1, 0, 0, 15 * time.Second},
		{"other attributes", 5 * time.Second, ^uint32(tbkas), 1, 0, 0, 10 * time.Second},
		{"CQT", 5 * time.Second, 0, 1, 1500, 0, 11500 * time.Millisecond},
		{"CQT and TBKAS", 5 * time.Second, tbkas, 1, 65535, 0, 80535 * time.Millisecond},
		{"KATO is rounded up by the controller", 1200 * time.Millisecond, 0, 5, 0, 0, 3 * time.Second},
		{"KATO of its granularity", 1500 * time.Millisecond, 0, 5, 0, 0, 3 * time.Second},
		{"a target that reports no CQT", 5 * time.Second, 0, 1, 0, 2 * time.Second, 12 * time.Second},
		{"a target that reports more than we think", 5 * time.Second, 0, 1, 3000, 2 * time.Second, 13 * time.Second},
	} {
		id := nvmetcp.IdentifyController{Attributes: tc.attributes, KeepAliveGranularity: tc.granularity, QuiesceTime: tc.cqt}
		if got := inDoubt(&Config{KeepAlive: tc.kato, QuiesceTime: tc.atLeast}, &id); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

// TestInDoubt: a write that was sent and not answered is in doubt, unless the
// target is trusted to have stopped it before, and could be asked to.
func TestInDoubt(t *testing.T) {
	for _, tc := range []struct {
		name    string
		trusted bool
		lose    func(*testing.T, *Controller, *target.Target)
		doubt   bool
	}{
		{"an I/O queue", false, drop(1), true},
		{"an I/O queue, trusted", true, drop(1), false},
		{"the admin queue, trusted", true, drop(0), true},
		{"the path, trusted", true, drop(target.AllQueues), true},
		{"a reset", false, reset, true},
		{"a reset, trusted", true, reset, false},
		{"closing", false, shut, true},
		{"closing, trusted", true, shut, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := targetConfig()
			cfg.Subsystems[0].StrictKeepAlive, cfg.Subsystems[0].QuiesceTime = true, target.Duration(time.Second)
			tg := startTarget(t, cfg)
			hc := hostConfig(t, tg)
			hc.DisableStopsIO = tc.trusted
			c := connect(t, hc)
			if c.InDoubt() != 11*time.Second {
				t.Errorf("in doubt for %s, want 2 x 5s + 1s", c.InDoubt())
			}
			inject(t, tg, target.Fault{Commands: target.Writes, Delay: target.Duration(time.Hour)})
			r := rw(nvmetcp.Write, 0, targettest.Pattern(1, 4096))
			done := begin(c, r, 0)
			hitAll(t, tg, 1)
			before := time.Now()
			tc.lose(t, c, tg)
			wait(t, "the write", done)
			if r.Completion.Status != nvme.StatusHostAborted {
				t.Errorf("the write: %s", r.Completion.Status)
			}
			if !tc.doubt && !r.InDoubtUntil.IsZero() {
				t.Errorf("in doubt for %s", r.InDoubtUntil.Sub(before))
			}
			if tc.doubt && r.InDoubtUntil.Sub(before) < c.InDoubt() {
				t.Errorf("in doubt until %s, %s after the loss", r.InDoubtUntil, r.InDoubtUntil.Sub(before))
			}
		})
	}
}

func drop(queue int) func(*testing.T, *Controller, *target.Target) {
	return func(t *testing.T, _ *Controller, tg *target.Target) {
		if err := tg.Drop(1, queue); err != nil {
			t.Fatal(err)
		}
	}
}

func reset(_ *testing.T, c *Controller, _ *target.Target) { c.Reset() }

func shut(t *testing.T, c *Controller, _ *target.Target) {
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}
