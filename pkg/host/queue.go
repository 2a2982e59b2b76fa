package host

import (
	"net"
	"sync"
	"syscall"

	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// What a queue costs at most, whatever the controller says: two buffers and its
// slots. The send buffer is larger if the controller takes more data in a
// capsule.
const (
	receiveBuffer = 256 << 10
	sendBuffer    = 256 << 10
	maxInCapsule  = 1 << 20
	// maxData is the most data that we send in one H2CData.
	maxData = 64 << 10
)

// queue is a queue pair: one TCP connection, the commands outstanding on it and
// those that wait for their turn.
//
//	Submit --> pending --> slot, and send buffer --> socket
//	                        |    ^
//	                        |    | R2T: transfers
//	                        v    |
//	        Done <------- receive <---------------- socket
//
// Whoever finds something to send and nobody sending sends it, and all that
// others bring meanwhile: a submitter, the receiver after a batch, or, when the
// socket is full, the goroutine that can wait for it.
type queue struct {
	id        uint16
	conn      net.Conn
	raw       syscall.RawConn // nil if the connection is not a socket
	in        *nvmetcp.Reader
	framing   nvmetcp.Framing // of what we send
	maxData   int             // the most data in one H2CData
	inCapsule int             // the most data in a capsule
	broken    func(error)     // is told once when the connection is over

	attempt func(fd uintptr) bool // one write to the socket, without waiting
	wrote   int
	full    chan struct{} // the socket is full: somebody has to wait
	gone    chan struct{} // the connection is over
	running sync.WaitGroup

	mu      sync.Mutex // guards what follows
	err     error      // why the connection is over
	pending requests   // not sent
	now     uint32     // ticks, for timeouts
	// batch says that the receiver hands out completions, and will send when it
	// is through. Until then, slots and transfers are its own.
	batch     bool
	slots     slots
	transfers requests // whose data was asked for
	// writing says that somebody has out, and sends it.
	writing bool
	out     []byte
	sent    int // bytes of out
}

// newQueue returns a queue that is not negotiated yet. size is its number of
// entries, of which one stays free (Base Specification 2.1, section 3.3.1.2).
func newQueue(id uint16, conn net.Conn, size, inCapsule int, broken func(error)) *queue {
	q := &queue{
		id: id, conn: conn, inCapsule: inCapsule, broken: broken,
		full: make(chan struct{}, 1), gone: make(chan struct{}),
		slots: newSlots(size - 1),
	}
	q.in = nvmetcp.NewReader(source{q}, receiveBuffer)
	if s, ok := conn.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			q.raw = raw
		}
	}
	q.attempt = q.writeSocket
	// What is in the socket when it is closed must not reach the controller
	// later (drivers/nvme/host/tcp.c, nvme_tcp_alloc_queue).
	if l, ok := conn.(interface{ SetLinger(int) error }); ok {
		_ = l.SetLinger(0) // it is closed, or will be
	}
	return q
}

// start begins to receive and to send.
func (q *queue) start() {
	largest := max(maxData+q.framing.Overhead(nvmetcp.H2CData), q.inCapsule+q.framing.Overhead(nvmetcp.CapsuleCmd))
	q.out = make([]byte, 0, max(sendBuffer, largest))
	q.running.Go(q.receive)
	q.running.Go(q.drain)
}

// submit queues a request. It returns false if the connection is over, and the
// request is still the caller's.
func (q *queue) submit(r *Request) bool {
	q.mu.Lock()
	if q.err != nil {
		q.mu.Unlock()
		return false
	}
	q.pending.push(r)
	q.send()
	return true
}

// fail ends the connection. Its requests stay until takeBack.
func (q *queue) fail(err error) {
	q.mu.Lock()
	first := q.failLocked(err)
	q.mu.Unlock()
	if first {
		q.broken(err)
	}
}

func (q *queue) failLocked(err error) bool {
	if q.err != nil {
		return false
	}
	q.err = err
	close(q.gone)
	_ = q.conn.Close() // nobody could do anything about an error
	return true
}

// stop ends the connection and returns when nobody touches the data of its
// requests any more.
func (q *queue) stop() {
	q.mu.Lock()
	q.failLocked(net.ErrClosed)
	q.mu.Unlock()
	q.running.Wait()
}

// takeBack returns the requests of a queue that was stopped: those that the
// controller may have, and those that it cannot have.
func (q *queue) takeBack() (sent, unsent requests) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.transfers = requests{}
	for i := range q.slots.list {
		if s := &q.slots.list[i]; s.request != nil {
			sent.push(q.slots.release(s))
		}
	}
	unsent, q.pending = q.pending, requests{}
	return sent, unsent
}
