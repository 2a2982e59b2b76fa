package target

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
	"github.com/braid-csi/braid/pkg/target/targettest"
)

// TestKeepAlive has a host fall silent, in a time of its own: the controller
// must end when KATO has passed, not sooner and not later.
func TestKeepAlive(t *testing.T) {
	const kato = 5 * time.Second
	flush := nvmetcp.Command{Opcode: nvmetcp.Flush, NSID: 1}
	for _, tc := range []struct {
		name    string
		traffic bool // TBKAS
		use     func(*testHost)
		// lasts is how long the controller lives after use.
		lasts time.Duration
	}{
		{"nothing at all", false, func(*testHost) {}, kato},
		{"keep alive", false, func(h *testHost) {
			for range 10 {
				time.Sleep(4 * time.Second) //nolint:forbidigo // the bubble's clock: this is what is tested
				h.admin.must(nvmetcp.Command{Opcode: nvmetcp.KeepAlive}, nil)
			}
		}, kato},
		{"I/O is no keep alive", false, func(h *testHost) {
			time.Sleep(3 * time.Second) //nolint:forbidigo // as above
			h.io.must(flush, nil)
		}, 2 * time.Second},
		{"I/O is one with TBKAS", true, func(h *testHost) {
			for range 9 {
				time.Sleep(4 * time.Second) //nolint:forbidigo // as above
				h.io.must(flush, nil)
			}
		}, 9 * time.Second}, // the last at 36 s, so the timer starts anew at 40 s
		{"TBKAS needs up to twice as long", true, func(h *testHost) {
			time.Sleep(time.Second) //nolint:forbidigo // as above
			h.io.must(flush, nil)
		}, 2*kato - time.Second},
		{"another KATO", false, func(h *testHost) {
			h.admin.must(nvmetcp.Command{Opcode: nvmetcp.SetFeatures, Dwords: [6]uint32{uint32(nvmetcp.FeatureKeepAlive), 60000}}, nil)
		}, time.Minute},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig()
				cfg.Subsystems[0].StrictKeepAlive = !tc.traffic
				tg, p := startPiped(t, cfg)
				h := connectPiped(t, p, kato)
				tc.use(h)
				begin := time.Now()
				if err := h.admin.nc.SetDeadline(time.Time{}); err != nil {
					t.Fatal(err)
				}
				if _, _, err := h.admin.in.Next(); err == nil {
					t.Fatal("the target answered what nobody asked")
				}
				if got := time.Since(begin); got != tc.lasts {
					t.Errorf("the controller lasted for %s, want %s", got, tc.lasts)
				}
				if n := len(tg.subsystems[testNQN].controllers); n != 0 {
					t.Errorf("%d controllers are left", n)
				}
				h.io.closed()
			})
		})
	}
}

func connectPiped(t *testing.T, p *targettest.Pipes, kato time.Duration) *testHost {
	t.Helper()
	h := &testHost{admin: newQueue(t, dialPiped(t, p), 0)}
	h.id = h.admin.connect(nvmetcp.ConnectRequest{QueueSize: 31, KeepAlive: uint32(kato.Milliseconds())}, testNQN, nvmetcp.DynamicController)
	h.admin.enable()
	h.io = newQueue(t, dialPiped(t, p), 0)
	h.io.connect(nvmetcp.ConnectRequest{QueueID: 1, QueueSize: 31}, testNQN, h.id)
	return h
}

// TestSlowHost: KATO does not run before the controller is ready.
func TestSlowHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p := startPiped(t, testConfig())
		q := newQueue(t, dialPiped(t, p), 0)
		q.connect(nvmetcp.ConnectRequest{QueueSize: 31, KeepAlive: 1000}, testNQN, nvmetcp.DynamicController)
		time.Sleep(time.Minute) //nolint:forbidigo // the bubble's clock
		q.enable()
		begin := time.Now()
		if err := q.nc.SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := q.in.Next(); err == nil {
			t.Fatal("the target answered what nobody asked")
		}
		// The commands that enabled it count as traffic once.
		if got := time.Since(begin); got != 2*time.Second {
			t.Errorf("the controller lasted for %s, want 2s", got)
		}
	})
}

// TestHandshakeTimeout: who connects and says nothing, or too little, is cut
// off; who has connected a queue may be silent.
func TestHandshakeTimeout(t *testing.T) {
	for name, say := range map[string]func(*queue){
		"nothing":    nil,
		"ICReq only": func(*queue) {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, p := startPiped(t, testConfig())
				begin := time.Now()
				nc := dialPiped(t, p)
				if say != nil {
					nc = newQueue(t, nc, 0).nc
				}
				if err := nc.SetDeadline(time.Time{}); err != nil {
					t.Fatal(err)
				}
				if n, err := nc.Read(make([]byte, 1)); err == nil {
					t.Errorf("%d bytes", n)
				}
				if got := time.Since(begin); got != handshakeTimeout {
					t.Errorf("cut off after %s, want %s", got, handshakeTimeout)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		_, p := startPiped(t, testConfig())
		h := connectPiped(t, p, 0)
		time.Sleep(24 * time.Hour) //nolint:forbidigo // the bubble's clock
		if got := h.io.do(nvmetcp.Command{Opcode: nvmetcp.Flush, NSID: 1}, nil).Status; got != nvme.StatusSuccess {
			t.Errorf("after a day of silence: %s", got)
		}
	})
}
