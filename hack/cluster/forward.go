package cluster

import (
	"context"
	"fmt"
	"io"
	"net"
)

// dialer connects to somebody in the namespace.
type dialer func(context.Context) (net.Conn, error)

// forward lets programs outside of the namespace in, until the cluster ends:
// what connects to the address, a port or a socket, is connected to what dial
// connects to. It returns the address, whose port may be 0.
func (c *Cluster) forward(network, address string, dial dialer) (net.Addr, error) {
	l, err := (&net.ListenConfig{}).Listen(c.life, network, address)
	if err != nil {
		return nil, fmt.Errorf("a way into the cluster: %w", err)
	}
	context.AfterFunc(c.life, func() { _ = l.Close() })
	c.running.Go(func() {
		for {
			outside, err := l.Accept()
			if err != nil {
				return
			}
			c.running.Go(func() { c.pass(outside, dial) })
		}
	})
	return l.Addr(), nil
}

// pass copies both ways until one side or the cluster ends.
func (c *Cluster) pass(outside net.Conn, dial dialer) {
	defer func() { _ = outside.Close() }()
	inside, err := dial(c.life)
	if err != nil {
		return // the client sees a closed connection
	}
	defer func() { _ = inside.Close() }()
	ctx, cancel := context.WithCancel(c.life)
	defer cancel()
	context.AfterFunc(ctx, func() { _, _ = outside.Close(), inside.Close() })
	go func() {
		defer cancel()
		_, _ = io.Copy(inside, outside)
	}()
	_, _ = io.Copy(outside, inside)
}
