package target

import (
	"net"
	"sync"
)

// flow is the socket of a connection, with a gate that turns it into a black
// hole: while the gate is shut nothing is read or written, and nothing tells
// the host, not even the end of the connection. What the host sent meanwhile
// arrives when the gate opens, as by TCP's repetition.
type flow struct {
	socket net.Conn
	ended  chan struct{} // closed when we are done with the connection

	mu   sync.Mutex
	shut chan struct{} // closed when the gate opens, nil while it is open
}

func newFlow(c net.Conn) *flow { return &flow{socket: c, ended: make(chan struct{})} }

// Read reads from the socket when the gate is open. What came through while it
// was shutting is held back too.
func (f *flow) Read(b []byte) (int, error) {
	if err := f.pass(); err != nil {
		return 0, err
	}
	n, err := f.socket.Read(b)
	if gate := f.pass(); gate != nil {
		return 0, gate
	}
	return n, err
}

// Write writes to the socket when the gate is open.
func (f *flow) Write(b []byte) (int, error) {
	if err := f.pass(); err != nil {
		return 0, err
	}
	return f.socket.Write(b)
}

// linger waits until the gate is open, which closes the socket of a connection
// that we ended behind it.
func (f *flow) linger() {
	if gate := f.gate(); gate != nil {
		<-gate
	}
}

// pass waits until the gate is open.
func (f *flow) pass() error {
	for {
		gate := f.gate()
		if gate == nil {
			return nil
		}
		select {
		case <-gate:
		case <-f.ended:
			return net.ErrClosed
		}
	}
}

func (f *flow) gate() chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.shut
}

// blackHole shuts the gate.
func (f *flow) blackHole() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.shut == nil {
		f.shut = make(chan struct{})
	}
}

// restore opens the gate. A connection that we ended meanwhile is closed now.
func (f *flow) restore() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.shut == nil {
		return
	}
	close(f.shut)
	f.shut = nil
	select {
	case <-f.ended:
		_ = f.socket.Close()
	default:
	}
}

// end ends the connection. Behind a shut gate the host does not learn of it.
func (f *flow) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-f.ended:
		return
	default:
	}
	close(f.ended)
	if f.shut == nil {
		_ = f.socket.Close() // nobody could do anything about an error
	}
}
