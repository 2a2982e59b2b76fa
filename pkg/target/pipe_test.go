package target

import (
	"net"
	"net/netip"
	"sync"
	"testing"
)

// pipes is a listener in memory, for tests that want time or input under their
// control.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

// dial is a connection to the target.
func (p *pipes) dial(t testing.TB) net.Conn {
	host, target := net.Pipe()
	p.conns <- target
	t.Cleanup(func() { _ = host.Close() })
	return host
}

// startPiped starts a target whose first port is a listener in memory.
func startPiped(t testing.TB, cfg Config) (*Target, *pipes) {
	t.Helper()
	p := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	cfg.Ports = []PortConfig{{ID: 1, Address: netip.MustParseAddrPort("127.0.0.1:4420")}}
	cfg.Listen = func(netip.AddrPort) (net.Listener, error) { return p, nil }
	return startTarget(t, cfg), p
}
