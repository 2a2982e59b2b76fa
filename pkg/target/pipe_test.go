package target

import (
	"net"
	"net/netip"
	"testing"

	"github.com/braid-csi/braid/pkg/target/targettest"
)

// dialPiped is a connection to the target.
func dialPiped(t testing.TB, p *targettest.Pipes) net.Conn {
	t.Helper()
	host, err := p.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = host.Close() })
	return host
}

// startPiped starts a target whose first port is a listener in memory.
func startPiped(t testing.TB, cfg Config) (*Target, *targettest.Pipes) {
	t.Helper()
	p := targettest.NewPipes()
	cfg.Ports = []PortConfig{{ID: 1, Address: netip.MustParseAddrPort("127.0.0.1:4420")}}
	cfg.Listen = func(netip.AddrPort) (net.Listener, error) { return p, nil }
	return startTarget(t, cfg), p
}
