package targettest

import (
	"context"
	"net"
	"sync"
)

// Pipes is a listener in memory, for tests that want time or input under their
// control.
type Pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// NewPipes returns a listener that nobody has connected to.
func NewPipes() *Pipes { return &Pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

// Accept returns the target's end of the next connection.
func (p *Pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close ends the listener, but no connection.
func (p *Pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

// Addr is an address that says no more than what this is.
func (p *Pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

// Dial returns the host's end of a connection, once the target has accepted it.
func (p *Pipes) Dial(ctx context.Context) (net.Conn, error) {
	host, target := net.Pipe()
	select {
	case p.conns <- target:
		return host, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
