package e2e

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/load"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/hack/poll"
	"github.com/braid-csi/braid/hack/storagenet"
	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/target"
)

// targetScene is the kernel's host connected to our target, which runs in the
// test, over two paths.
type targetScene struct {
	t           testing.TB
	ctx         context.Context
	net         *storagenet.Network
	target      *target.Target
	nqn         string
	controllers []nvmehost.Controller
	head        nvmehost.Head
	paths       []nvmehost.Path
}

const targetUUID = "5a1f0000-0000-4000-8000-000000000001"

// newTargetScene starts a target with a port on each of two paths. configure
// may change what is usual.
func newTargetScene(t testing.TB, configure func(*target.Config)) *targetScene {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	name := strings.ToLower(strings.NewReplacer("/", "-", "Test", "").Replace(t.Name()))
	s := &targetScene{t: t, ctx: ctx, nqn: "nqn.2026-11.test.braid:" + name}
	var err error
	s.net, err = storagenet.New(2)
	must(t, err)
	cleanup(t, s.net.Close)
	cfg := target.Config{
		Subsystems: []target.SubsystemConfig{{
			NQN: nvme.NQN(s.nqn),
			Namespaces: []target.NamespaceConfig{{
				NSID: 1, IDs: []nvme.NamespaceID{{Type: nvme.UUID, Value: targetUUID}}, Size: 64 << 20,
			}},
		}},
		Listen: func(a netip.AddrPort) (l net.Listener, err error) {
			err = s.net.Do(func() error {
				l, err = net.Listen("tcp", a.String())
				return err
			})
			return l, err
		},
	}
	for i, p := range s.net.Paths {
		cfg.Ports = append(cfg.Ports, target.PortConfig{ID: uint16(i + 1), Address: netip.AddrPortFrom(p.Target, 4420)})
	}
	if configure != nil {
		configure(&cfg)
	}
	s.target, err = target.Start(ctx, cfg)
	must(t, err)
	cleanup(t, s.target.Close)
	return s
}

// connect connects over both paths and waits for the head.
func (s *targetScene) connect(o nvmehost.ConnectOptions) {
	s.t.Helper()
	o.ReconnectDelay = time.Second
	o.NQN = s.nqn
	for port := uint16(1); port <= 2; port++ {
		s.controllers = append(s.controllers, s.connectOne(port, o))
	}
	var err error
	s.head, err = nvmehost.WaitHead(s.ctx, targetUUID)
	must(s.t, err)
	s.paths, err = s.head.WaitPaths(s.ctx, s.controllers...)
	must(s.t, err)
	must(s.t, s.head.SetIOPolicy("round-robin"))
	for _, p := range s.paths {
		s.waitANA(p, "optimized")
	}
}

func (s *targetScene) connectOne(port uint16, o nvmehost.ConnectOptions) nvmehost.Controller {
	s.t.Helper()
	var err error
	o.Addr, err = s.target.Address(port)
	must(s.t, err)
	c, err := nvmehost.Connect(o)
	must(s.t, err)
	cleanup(s.t, c.Disconnect)
	return c
}

func (s *targetScene) until(what string, done func() (bool, error)) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, time.Minute)
	defer cancel()
	must(s.t, poll.Until(ctx, what, done))
}

func (s *targetScene) waitANA(p nvmehost.Path, want string) {
	s.t.Helper()
	s.until(fmt.Sprintf("%s to be %s", p, want), func() (bool, error) {
		got, err := p.ANAState()
		return got == want, err
	})
}

// write starts a writer of the usual depth and waits until it is under way.
func (s *targetScene) write() *load.Writer {
	s.t.Helper()
	w, err := load.StartWriter(s.head.Device(), load.DefaultDepth)
	must(s.t, err)
	s.goesOn(w)
	return w
}

func (s *targetScene) goesOn(w *load.Writer) {
	s.t.Helper()
	from := w.Stats().Verified
	s.until("the writer to go on", func() (bool, error) {
		return w.Stats().Verified >= from+2*load.DefaultDepth, w.Err()
	})
}

// unharmed ends a writer: no error, and everything as it was written.
func (s *targetScene) unharmed(w *load.Writer) {
	s.t.Helper()
	stats, err := w.Stop()
	if err != nil {
		s.t.Errorf("the writer was harmed: %v", err)
	}
	s.t.Logf("writer: %d blocks written, %d verified, longest stall %.2f s", stats.Written, stats.Verified, stats.Stall.Length().Seconds())
}

// counters reads a counter of both paths.
func (s *targetScene) counters(name string) [2]uint64 {
	s.t.Helper()
	var n [2]uint64
	for i, p := range s.paths {
		var err error
		n[i], err = p.Counter(name)
		must(s.t, err)
	}
	return n
}

// TestUserspaceTargetConnect: one head with two paths, and what is written over
// it reads back.
func TestUserspaceTargetConnect(t *testing.T) {
	since := stopwatch(t)
	s := newTargetScene(t, nil)
	s.connect(nvmehost.ConnectOptions{})
	since("%s with paths %v", s.head, s.paths)
	w := s.write()
	s.unharmed(w)
	if n := s.counters(nvmehost.Failovers); n != [2]uint64{} {
		t.Errorf("failovers: %v, nothing happened", n)
	}
	since("done")
}
