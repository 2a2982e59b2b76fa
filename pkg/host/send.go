package host

import (
	"syscall"

	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// maxRounds is how often somebody who came to submit writes for others before
// the queue's own goroutine goes on.
const maxRounds = 8

// send sends what is pending, unless somebody else does or will do so. It never
// waits. The lock is held, and released.
func (q *queue) send() {
	if q.batch || q.writing || q.err != nil {
		q.mu.Unlock()
		return
	}
	for round := 0; q.err == nil && !q.batch && q.fill(); round++ {
		q.writing = true
		q.mu.Unlock()
		if round == maxRounds || !q.tryWrite() {
			q.full <- struct{}{} // there is room: only who is writing does so
			return
		}
		q.mu.Lock()
		q.writing = false
	}
	q.mu.Unlock()
}

// tryWrite writes what is in the buffer, and tells whether it is all gone. An
// error is for drain to find.
func (q *queue) tryWrite() bool {
	if q.raw == nil || q.raw.Write(q.attempt) != nil {
		return false
	}
	q.sent += max(q.wrote, 0)
	return q.sent == len(q.out)
}

// writeSocket is called with the socket, which does not block.
func (q *queue) writeSocket(fd uintptr) bool {
	q.wrote, _ = syscall.Write(int(fd), q.out[q.sent:])
	return true
}

// drain takes over when the socket is full, and waits for it.
func (q *queue) drain() {
	for {
		select {
		case <-q.gone:
			return
		case <-q.full:
		}
		for more := true; more; {
			if _, err := q.conn.Write(q.out[q.sent:]); err != nil {
				q.fail(err)
				return
			}
			q.mu.Lock()
			more = q.err == nil && !q.batch && q.fill()
			q.writing = more
			q.mu.Unlock()
		}
	}
}

// fill fills the buffer with as much as there is to send, and fits. Nobody is
// writing, and the lock is held.
func (q *queue) fill() bool {
	q.out, q.sent = q.out[:0], 0
	for q.transfers.first != nil && q.appendTransfer() {
	}
	for q.pending.first != nil && len(q.slots.free) > 0 && q.appendCommand() {
	}
	return len(q.out) > 0
}

// room tells whether n bytes fit into the buffer.
func (q *queue) room(n int) bool { return n <= cap(q.out)-len(q.out) }

// appendCommand sends the first request that is pending; false if it does not
// fit. From here on the controller may have it.
func (q *queue) appendCommand() bool {
	r := q.pending.first
	carried := 0
	if toController, _ := direction(&r.Command); toController && len(r.Data) <= q.inCapsule {
		carried = len(r.Data)
	}
	if !q.room(q.framing.Overhead(nvmetcp.CapsuleCmd) + carried) {
		return false
	}
	q.pending.pop()
	s := q.slots.take(r, q.now)
	r.Command.CID, r.slot = s.cid, s
	r.Command.SGL = nvmetcp.SGL{Length: uint32(s.want), Type: nvmetcp.SGLTransport}
	if carried > 0 {
		r.Command.SGL.Type = nvmetcp.SGLInCapsule
		s.moved, s.granted = carried, carried
	}
	q.out = q.framing.AppendCommand(q.out, &r.Command, carried)
	q.appendData(r.Data[:carried])
	return true
}

// appendTransfer sends data that was asked for first, as much as one PDU takes;
// false if it does not fit.
func (q *queue) appendTransfer() bool {
	r := q.transfers.first
	s := r.slot
	n := min(s.granted-s.moved, q.maxData)
	if !q.room(q.framing.Overhead(nvmetcp.H2CData) + n) {
		return false
	}
	data := r.Data[s.moved:][:n]
	d := nvmetcp.DataHeader{CID: s.cid, TTAG: s.ttag, Offset: uint32(s.moved), Length: uint32(n), Last: s.moved+n == s.granted}
	q.out = q.framing.AppendH2CData(q.out, d)
	q.appendData(data)
	if s.moved += n; d.Last {
		q.transfers.pop()
	}
	return true
}

// appendData appends data and its digest, which is that of the copy: whatever
// becomes of the original.
func (q *queue) appendData(data []byte) {
	if len(data) == 0 {
		return
	}
	at := len(q.out)
	q.out = append(q.out, data...)
	q.out = q.framing.AppendDataDigest(q.out, q.out[at:])
}
