package host

import (
	"errors"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// source is what a queue's Reader reads from. Whenever more is needed from the
// network, the batch is over: what was submitted meanwhile leaves, in one write.
// Between two reads the slots are the receiver's alone, and need no lock.
type source struct{ q *queue }

func (s source) Read(b []byte) (int, error) {
	q := s.q
	q.mu.Lock()
	q.batch = false
	q.send()
	n, err := q.conn.Read(b)
	q.mu.Lock()
	q.batch = true
	q.mu.Unlock()
	return n, err
}

// receive receives until the connection is over.
func (q *queue) receive() {
	for {
		h, b, err := q.in.Next()
		if err == nil {
			err = q.dispatch(h, b)
		}
		if err != nil {
			if violation, ok := errors.AsType[*nvmetcp.ProtocolError](err); ok && h.Type != nvmetcp.C2HTermReq {
				q.terminate(violation, b)
			}
			q.fail(err)
			return
		}
	}
}

func (q *queue) dispatch(h nvmetcp.Header, b []byte) error {
	switch h.Type {
	case nvmetcp.CapsuleResp:
		c, err := nvmetcp.ParseCapsuleCompletion(b)
		if err != nil {
			return err
		}
		return q.completed(c)
	case nvmetcp.C2HData:
		d, err := q.in.Framing.ParseData(h, b)
		if err != nil {
			return err
		}
		return q.data(d)
	case nvmetcp.R2T:
		r, err := nvmetcp.ParseR2T(b)
		if err != nil {
			return err
		}
		return q.ready(r)
	case nvmetcp.C2HTermReq:
		reason, err := nvmetcp.ParseTermReq(b)
		if err != nil {
			return err
		}
		return reason
	}
	return nvmetcp.Violation(nvmetcp.SequenceError, 0, "unexpected %s", h.Type)
}

// Where PDUs have the fields that a TermReq names.
const (
	cidInData       = 8
	cidInCompletion = nvmetcp.CommonHeaderSize + 12
	offsetInData    = 12
)

// completed is a CapsuleResp. A command cannot have succeeded whose data has
// not gone over.
func (q *queue) completed(c nvmetcp.Completion) error {
	s := q.slots.of(c.CID)
	if s == nil {
		return nvmetcp.Violation(nvmetcp.InvalidHeaderField, cidInCompletion, "completion of command 0x%04x, which is not outstanding", c.CID)
	}
	if c.Status == nvme.StatusSuccess && s.moved != s.want {
		return nvmetcp.Violation(nvmetcp.SequenceError, 0, "command 0x%04x succeeded with %d of %d bytes", c.CID, s.moved, s.want)
	}
	q.complete(s, c)
	return nil
}

// complete ends a command.
func (q *queue) complete(s *slot, c nvmetcp.Completion) {
	if s.damaged && c.Status == nvme.StatusSuccess {
		c.Status = nvme.StatusTransientTransport
	}
	if s.moved < s.granted {
		q.transfers.remove(s.request)
	}
	r := q.slots.release(s)
	r.Completion = c
	r.Done(r)
}

// data is a C2HData. Data comes in order, so none can come twice.
func (q *queue) data(d nvmetcp.DataHeader) error {
	s := q.slots.of(d.CID)
	if s == nil || !s.toHost {
		return nvmetcp.Violation(nvmetcp.InvalidHeaderField, cidInData, "data for command 0x%04x, which reads none", d.CID)
	}
	end := uint64(d.Offset) + uint64(d.Length)
	if s.complete || d.Length == 0 || uint64(d.Offset) != uint64(s.moved) || end > uint64(s.want) {
		return nvmetcp.Violation(nvmetcp.DataOutOfRange, offsetInData,
			"command 0x%04x: %d bytes at %d, had %d of %d (complete: %t)", d.CID, d.Length, d.Offset, s.moved, s.want, s.complete)
	}
	if d.Success && (!d.Last || end != uint64(s.want)) {
		return nvmetcp.Violation(nvmetcp.InvalidHeaderField, 1, "command 0x%04x succeeded with %d of %d bytes (last: %t)", d.CID, end, s.want, d.Last)
	}
	// Nobody but the receiver ends a command of a queue that was not stopped.
	err := q.in.ReadData(s.request.Data[d.Offset:end])
	if err != nil && !errors.Is(err, nvmetcp.ErrDataDigest) {
		return err
	}
	s.damaged = s.damaged || err != nil
	s.moved, s.complete = int(end), d.Last
	if d.Success {
		q.complete(s, nvmetcp.Completion{CID: d.CID, SQID: q.id})
	}
	return nil
}

// ready is an R2T. We have said in ICReq that a command has one at a time.
func (q *queue) ready(r nvmetcp.Ready) error {
	s := q.slots.of(r.CID)
	if s == nil || !s.toController {
		return nvmetcp.Violation(nvmetcp.InvalidHeaderField, cidInData, "R2T for command 0x%04x, which writes nothing", r.CID)
	}
	if s.moved != s.granted {
		return nvmetcp.Violation(nvmetcp.TransferLimit, 0, "command 0x%04x: R2T before the data of the one before", r.CID)
	}
	end := uint64(r.Offset) + uint64(r.Length)
	if r.Length == 0 || uint64(r.Offset) != uint64(s.moved) || end > uint64(s.want) {
		return nvmetcp.Violation(nvmetcp.DataOutOfRange, offsetInData,
			"command 0x%04x: R2T for %d bytes at %d, sent %d of %d", r.CID, r.Length, r.Offset, s.moved, s.want)
	}
	s.ttag, s.granted = r.TTAG, int(end)
	q.transfers.push(s.request)
	return nil
}

// terminate tells the controller what it did wrong, if there is room to say it.
func (q *queue) terminate(e *nvmetcp.ProtocolError, offending []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.writing || q.err != nil {
		return
	}
	if err := q.conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		return
	}
	_, _ = q.conn.Write(nvmetcp.AppendTermReq(nil, nvmetcp.H2CTermReq, e, offending)) // the connection ends anyway
}
