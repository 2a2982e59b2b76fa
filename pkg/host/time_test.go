package host

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
	"github.com/braid-csi/braid/pkg/target"
	"github.com/braid-csi/braid/pkg/target/targettest"
)

// The tests of this file run in bubbles: their clock goes on when everybody
// waits, and what takes a minute takes exactly a minute, and no time at all.

// piped starts a target whose only port is a listener in memory, and returns the
// configuration of a host of it.
func piped(t testing.TB, cfg target.Config) (*target.Target, Config) {
	t.Helper()
	p := targettest.NewPipes()
	at := netip.MustParseAddrPort("127.0.0.1:4420")
	cfg.Ports = []target.PortConfig{{ID: 1, Address: at}}
	cfg.Listen = func(netip.AddrPort) (net.Listener, error) { return p, nil }
	tg := startTarget(t, cfg)
	return tg, Config{
		Address: wayTo(at), SubsystemNQN: testNQN, HostNQN: testHostNQN, HostID: [16]byte{1}, Dial: func(ctx context.Context, _ nvme.TransportID) (net.Conn, error) { return p.Dial(ctx) },
		KeepAlive: 4 * time.Second, ReconnectDelay: time.Second, ControllerLossTimeout: -1,
	}
}

// hole makes all connections of the port, and those to come, black holes.
func hole(t testing.TB, tg *target.Target, queue int) {
	t.Helper()
	if err := tg.BlackHole(1, queue); err != nil {
		t.Fatal(err)
	}
}

// TestBlackHole: a whole path that is silent is noticed by the keep alive: within
// KATO/2 until it is sent, and KATO until it is given up.
func TestBlackHole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg, cfg := piped(t, targetConfig())
		j := journalOf(&cfg)
		c := connect(t, cfg)
		synctest.Wait()
		j.await(t, "connecting", "live")
		hole(t, tg, target.AllQueues)
		begun := time.Now()
		r := rw(nvmetcp.Write, 0, targettest.Pattern(1, 4096))
		wait(t, "the write", begin(c, r, 0))
		if took := time.Since(begun); took != 6*time.Second {
			t.Errorf("the write came back after %s, want 6s", took)
		}
		if until := r.InDoubtUntil.Sub(begun); r.Completion.Status != nvme.StatusHostAborted || until != 6*time.Second+c.InDoubt() {
			t.Errorf("the write: %s, in doubt for %s", r.Completion.Status, until)
		}
		j.await(t, "resetting", "connecting")
		if err := tg.Restore(1, target.AllQueues); err != nil {
			t.Fatal(err)
		}
		j.await(t, "live")
	})
}

// TestIOTimeout: a command that takes too long is aborted, and costs the
// association only if it takes as long again. A tick is an eighth of a timeout.
func TestIOTimeout(t *testing.T) {
	const timeout, tick = 8 * time.Second, time.Second
	for _, tc := range []struct {
		name    string
		disturb func(*testing.T, *target.Target)
		// least is when it comes back at the earliest; a tick for each timeout may
		// come on top.
		least  time.Duration
		status nvme.Status
	}{
		{"a slow back end", func(t *testing.T, tg *target.Target) {
			inject(t, tg, target.Fault{Commands: target.Writes, Delay: target.Duration(15 * time.Second)})
		}, 15 * time.Second, nvme.StatusSuccess},
		{"a stuck back end", func(t *testing.T, tg *target.Target) {
			inject(t, tg, target.Fault{Commands: target.Writes, Delay: target.Duration(time.Hour)})
		}, 2 * timeout, nvme.StatusHostAborted},
		{"one silent I/O queue", func(t *testing.T, tg *target.Target) { hole(t, tg, 1) }, 2 * timeout, nvme.StatusHostAborted},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tg, cfg := piped(t, targetConfig())
				cfg.IOTimeout, cfg.AdminTimeout = timeout, timeout
				c := connect(t, cfg)
				tc.disturb(t, tg)
				begun := time.Now()
				r := rw(nvmetcp.Write, 0, targettest.Pattern(1, 4096))
				wait(t, "the write", begin(c, r, 0))
				if took := time.Since(begun); took < tc.least || took > tc.least+2*tick {
					t.Errorf("the write took %s, want %s or up to %s more", took, tc.least, 2*tick)
				}
				if r.Completion.Status != tc.status {
					t.Errorf("the write: %s, want %s", r.Completion.Status, tc.status)
				}
			})
		})
	}
}

// TestAdminTimeout: an admin queue that does not answer is no admin queue.
func TestAdminTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg, cfg := piped(t, targetConfig())
		cfg.KeepAlive, cfg.AdminTimeout = time.Hour, 8*time.Second
		j := journalOf(&cfg)
		c := connect(t, cfg)
		synctest.Wait()
		j.await(t, "connecting", "live")
		hole(t, tg, 0)
		begun := time.Now()
		if _, err := c.ActiveNamespaces(t.Context()); err == nil {
			t.Error("a silent queue answered")
		}
		if took := time.Since(begun); took < 8*time.Second || took > 10*time.Second {
			t.Errorf("it was given up after %s, want 8s and up to two ticks", took)
		}
		j.await(t, "resetting", "connecting", "live")
	})
}

// TestDisableTimeout: a controller that is to be disabled and does not answer is
// not waited for.
func TestDisableTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg, cfg := piped(t, targetConfig())
		cfg.DisableStopsIO = true
		c := connect(t, cfg)
		inject(t, tg, target.Fault{Commands: target.Writes, Delay: target.Duration(time.Hour)})
		r := rw(nvmetcp.Write, 0, targettest.Pattern(1, 4096))
		done := begin(c, r, 0)
		synctest.Wait()
		hole(t, tg, 0)
		if err := tg.Drop(1, 1); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		wait(t, "the write", done)
		if took := time.Since(begun); took != disableTimeout || r.InDoubtUntil.Sub(begun) != disableTimeout+c.InDoubt() {
			t.Errorf("the write came back after %s, in doubt for %s", took, r.InDoubtUntil.Sub(begun))
		}
	})
}

// TestHalfWay: a target that falls silent on the way to be live is given up.
func TestHalfWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg, cfg := piped(t, targetConfig())
		cfg.AdminTimeout = 8 * time.Second
		asked := 0
		cfg.BeforeLive = func(ctx context.Context, c *Controller) error {
			if asked++; asked == 2 {
				hole(t, tg, 0)
			}
			_, err := c.ActiveNamespaces(ctx)
			return err
		}
		c := connect(t, cfg)
		begun := time.Now()
		c.Reset()
		synctest.Wait()
		for c.State() != nvme.StateLive {
			time.Sleep(time.Second) //nolint:forbidigo // the bubble's clock
		}
		if took := time.Since(begun); asked != 3 || took < 6*time.Second || took > 10*time.Second {
			t.Errorf("live after %s and %d associations, want 6s (keep alive) and a little, and 3", took, asked)
		}
	})
}

// TestLossTimeout: the controller is given up when its time is over, but not
// sooner.
func TestLossTimeout(t *testing.T) {
	for _, tc := range []struct {
		timeout, down time.Duration
		dead          bool
	}{
		{time.Minute, 10 * time.Minute, true},
		{time.Minute, 59 * time.Second, false},
		{-1, 20 * time.Minute, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			_, cfg := piped(t, targetConfig())
			dial := cfg.Dial
			var cut time.Time
			cfg.ControllerLossTimeout = tc.timeout
			cfg.Dial = func(ctx context.Context, to nvme.TransportID) (net.Conn, error) {
				if !cut.IsZero() && time.Since(cut) < tc.down {
					return nil, errors.New("no route to host")
				}
				return dial(ctx, to)
			}
			j := journalOf(&cfg)
			c := connect(t, cfg)
			synctest.Wait()
			cut = time.Now()
			c.Reset()
			j.await(t, "connecting", "live", "resetting", "connecting")
			time.Sleep(tc.down + 2*cfg.ReconnectDelay) //nolint:forbidigo // the bubble's clock
			synctest.Wait()
			if !tc.dead {
				j.await(t, "live")
				return
			}
			j.await(t, "deleting", "dead")
		})
	}
}

// TestFastIOFail: for so long after a loss is the controller worth waiting for.
// It goes on reconnecting all the same.
func TestFastIOFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg, cfg := piped(t, targetConfig())
		cfg.FastIOFail = 5 * time.Second
		var available []bool
		var c *Controller
		told := make(chan struct{}, 16)
		lost := false
		cfg.StateChanged = func(s nvme.ControllerState) {
			if s == nvme.StateConnecting && lost {
				available = append(available, c.Available())
				told <- struct{}{}
			}
		}
		c = connect(t, cfg)
		synctest.Wait() // it has told of the first connect
		lost = true
		hole(t, tg, target.AllQueues)
		if err := tg.Drop(1, target.AllQueues); err != nil { // behind the hole
			t.Fatal(err)
		}
		c.Reset()
		<-told
		begun := time.Now()
		<-told
		if took := time.Since(begun); took != cfg.FastIOFail {
			t.Errorf("it was available for %s, want %s", took, cfg.FastIOFail)
		}
		if available[0] != true || available[1] != false {
			t.Errorf("available %v, want true, then false", available)
		}
		if err := tg.Restore(1, target.AllQueues); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) //nolint:forbidigo // the bubble's clock
		if c.State() != nvme.StateLive || !c.Available() {
			t.Errorf("a minute after the repair: %s, available %t", c.State(), c.Available())
		}
	})
}

// TestBackOff: attempts come quickly at first, never more slowly than told.
func TestBackOff(t *testing.T) {
	const longest = 10 * time.Second
	for attempt, want := range []time.Duration{100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000} {
		want *= time.Millisecond
		for _, random := range []float64{0, 0.5, 0.999} {
			if got := backOff(attempt, longest, random); got < want/2 || got > want {
				t.Errorf("attempt %d, random %v: %s, want between %s and %s", attempt, random, got, want/2, want)
			}
		}
	}
	if got := backOff(1<<20, longest, 0); got != longest/2 {
		t.Errorf("after a million attempts: %s", got)
	}
	if got := backOff(0, time.Millisecond, 0.999); got > time.Millisecond {
		t.Errorf("a reconnect delay of 1 ms: %s", got)
	}
}
