package target

import (
	"net"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
	"github.com/braid-csi/braid/pkg/target/targettest"
)

// closing is a listener that tells when the first of its connections is about
// to be closed by the target.
type closing struct {
	net.Listener
	told atomic.Bool
	tell func(host net.Addr)
}

func (l *closing) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &closingConn{c, l}, nil
}

type closingConn struct {
	net.Conn
	listener *closing
}

func (c *closingConn) Close() error {
	if c.listener.told.CompareAndSwap(false, true) {
		c.listener.tell(c.RemoteAddr())
	}
	return c.Conn.Close()
}

// TestDropEndsEffects: a host fails over when the first of its connections
// closes. What another one brings from then on must not be executed: it would
// overwrite what the host writes elsewhere.
func TestDropEndsEffects(t *testing.T) {
	l := &closing{tell: func(net.Addr) {}}
	cfg := testConfig()
	cfg.Ports = cfg.Ports[:1]
	cfg.Listen = func(a netip.AddrPort) (net.Listener, error) {
		var err error
		l.Listener, err = net.Listen("tcp", a.String())
		return l, err
	}
	tg := startTarget(t, cfg)
	h := connectHost(t, tg, hostOptions{})
	second := newQueue(t, dial(t, tg, 1), 0)
	second.connect(nvmetcp.ConnectRequest{QueueID: 2, QueueSize: 31}, testNQN, h.id)
	l.tell = func(host net.Addr) {
		q := h.io
		if q.nc.LocalAddr().String() == host.String() {
			q = second
		}
		q.start(rw(nvmetcp.Write, 0, 4096), targettest.Pattern(1, 4096))
		if header, _, err := q.in.Next(); err == nil {
			t.Errorf("%s for a write that came after another connection was closed", header.Type)
		}
	}
	if err := tg.Drop(1, AllQueues); err != nil {
		t.Fatal(err)
	}
	again := connectHost(t, tg, hostOptions{})
	targettest.WantBytes(t, "the block", again.io.read(0, 4096), make([]byte, 4096))
	if status := again.io.write(0, targettest.Pattern(2, 4096)); status != nvme.StatusSuccess {
		t.Errorf("a write of the next association: %s", status)
	}
}
