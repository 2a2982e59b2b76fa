package target

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// What a connection costs at most, whatever the host does: its two buffers,
// transferMemory for data of writes, and a slot for each entry of its queue.
const (
	receiveBuffer  = 64 << 10
	sendBuffer     = 256 << 10
	transferMemory = 4 << 20
	maxQueueSize   = 128
	// maxTransfer is the most data of a command (MDTS), inCapsule the most that
	// may be in its capsule, maxData the most in one H2CData or C2HData.
	maxTransfer = 1 << 20
	inCapsule   = 8 << 10
	maxData     = 128 << 10
)

// handshakeTimeout is how long a host may take to connect a queue.
const handshakeTimeout = 10 * time.Second

// conn is a connection: a queue, once the host has connected it.
type conn struct {
	target *Target
	port   *port
	flow   *flow
	in     *nvmetcp.Reader
	quote  []byte // the PDU that is being looked at, for a TermReq

	// Set by Connect, before anything else is answered.
	controller  *controller
	queueID     uint16
	size        uint16 // of the queue, in entries
	flowControl bool   // of the submission queue

	// identity is queueID for others, noQueue before Connect. They must not
	// wait for mu, which is held while the host takes its time to read.
	identity atomic.Int32

	async sync.WaitGroup // delayed commands, and what belongs to the controller

	effects effects

	mu     sync.Mutex // guards what follows
	head   uint16     // of the submission queue
	out    sender
	slots  slots
	memory arena
	held   []heldWrite
}

const noQueue = AllQueues - 1

func newConn(p *port, nc net.Conn) *conn {
	c := &conn{target: p.target, port: p, flow: newFlow(nc)}
	c.identity.Store(noQueue)
	c.in = nvmetcp.NewReader(c.flow, receiveBuffer)
	c.out = sender{w: c.flow, buf: make([]byte, 0, sendBuffer)}
	c.memory = arena{left: transferMemory}
	return c
}

// queue is the ID of the connection's queue, negative before it has one.
func (c *conn) queue() int { return int(c.identity.Load()) }

// run serves the connection until it ends.
func (c *conn) run() {
	log := klog.FromContext(c.target.ctx).WithValues("port", c.port.id, "host", c.flow.socket.RemoteAddr())
	err := c.serve()
	if violation, ok := errors.AsType[*nvmetcp.ProtocolError](err); ok {
		log.Info("Host broke the protocol", "err", err)
		c.terminate(violation)
	} else if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		log.V(1).Info("Connection ended", "err", err)
	}
	c.finish()
	c.flow.linger()
}

func (c *conn) serve() error {
	if err := c.flow.socket.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return err
	}
	if err := c.negotiate(); err != nil {
		return err
	}
	for {
		if !c.in.Buffered() {
			if err := c.flush(); err != nil {
				return err
			}
		}
		h, b, err := c.in.Next()
		c.quote = b
		if err != nil {
			return err
		}
		switch h.Type {
		case nvmetcp.CapsuleCmd:
			err = c.capsule(b)
		case nvmetcp.H2CData:
			err = c.hostData(h, b)
		case nvmetcp.H2CTermReq:
			return c.hostGaveUp(b)
		default:
			err = nvmetcp.Violation(nvmetcp.SequenceError, 0, "unexpected %s", h.Type)
		}
		if err != nil {
			return err
		}
	}
}

// negotiate answers ICReq.
func (c *conn) negotiate() error {
	h, b, err := c.in.Next()
	c.quote = b
	if err != nil {
		return err
	}
	if h.Type != nvmetcp.ICReq {
		return nvmetcp.Violation(nvmetcp.SequenceError, 0, "%s before %s", h.Type, nvmetcp.ICReq)
	}
	req, err := nvmetcp.ParseInitRequest(b)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.out.buf = nvmetcp.AppendInitResponse(c.out.buf, nvmetcp.InitResponse{Digests: req.Digests, MaxData: maxData})
	err = c.out.flush()
	c.out.framing = nvmetcp.Framing{Digests: req.Digests, PDA: req.PDA}
	c.mu.Unlock()
	c.in.Framing = nvmetcp.Framing{Digests: req.Digests}
	return err
}

// hostGaveUp is an H2CTermReq: the host says what we did wrong, and ends.
func (c *conn) hostGaveUp(b []byte) error {
	reason, err := nvmetcp.ParseTermReq(b)
	if err == nil {
		klog.FromContext(c.target.ctx).Info("Host ended the connection", "port", c.port.id, "host", c.flow.socket.RemoteAddr(), "reason", reason.Error())
		err = io.EOF
	}
	return err
}

// terminate tells the host what it did wrong. It gets little time to listen.
func (c *conn) terminate(e *nvmetcp.ProtocolError) {
	if err := c.flow.socket.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out.room(nvmetcp.MaxTermReqSize) == nil {
		c.out.buf = nvmetcp.AppendTermReq(c.out.buf, nvmetcp.C2HTermReq, e, c.quote)
		_ = c.out.flush() // the connection ends anyway
	}
}

// finish ends the connection, with its controller if it is the admin queue, and
// returns when no command runs any more.
func (c *conn) finish() {
	switch {
	case c.controller == nil:
	case c.queueID == 0:
		c.controller.end()
	default:
		c.controller.leave(c)
	}
	end(c)
	c.mu.Lock()
	c.out.err = net.ErrClosed
	c.slots.stop(c.async.Done)
	held := c.held
	c.mu.Unlock()
	c.async.Wait()
	c.target.late.apply(c.target.ctx, held)
	// It may linger behind a shut gate: without its memory.
	c.mu.Lock()
	c.in, c.out.buf, c.slots, c.memory, c.held = nil, nil, slots{}, arena{}, nil
	c.mu.Unlock()
}

// anaChanged tells the host of a change on this port.
func (c *conn) anaChanged() {
	if c.queue() == 0 && !c.controller.subsystem.discovery {
		c.controller.happen(nvmetcp.ANAChanged)
	}
}
