package target

import (
	"bytes"
	"errors"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// isDamage tells whether data came, but not as it was sent.
func isDamage(err error) bool { return errors.Is(err, nvmetcp.ErrDataDigest) }

// errTooMany is for a host that has more commands outstanding than its queue
// has entries.
func errTooMany(entries int) error {
	return nvmetcp.Violation(nvmetcp.SequenceError, 0, "more commands outstanding than the %d entries of the queue", entries)
}

// request asks the host for the data of a command.
func (c *conn) request(cmd *nvmetcp.Command, fault *injected) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	tag, ok := c.slots.take(cmd, fault)
	if !ok {
		return errTooMany(len(c.slots.list))
	}
	s := &c.slots.list[tag]
	s.want, s.state = int(cmd.SGL.Length), slotWaiting
	c.slots.waiting = append(c.slots.waiting, tag)
	return c.requestWaiting()
}

// requestWaiting sends R2Ts for as many waiting commands as there is memory
// for. The lock is held.
func (c *conn) requestWaiting() error {
	for len(c.slots.waiting) > 0 {
		tag := c.slots.waiting[0]
		s := &c.slots.list[tag]
		if s.data = c.memory.get(s.want); s.data == nil {
			return nil
		}
		s.owned, s.state = true, slotReceiving
		c.slots.waiting = c.slots.waiting[:copy(c.slots.waiting, c.slots.waiting[1:])]
		if err := c.out.room(c.out.framing.Overhead(nvmetcp.R2T)); err != nil {
			return err
		}
		c.out.buf = c.out.framing.AppendR2T(c.out.buf, nvmetcp.Ready{CID: s.cmd.CID, TTAG: tag, Length: uint32(s.want)})
	}
	return nil
}

// hostData takes an H2CData.
func (c *conn) hostData(h nvmetcp.Header, b []byte) error {
	d, err := c.in.Framing.ParseData(h, b)
	if err != nil {
		return err
	}
	s, err := c.receiving(d)
	if err != nil {
		return err
	}
	// While it receives, a slot is nobody else's.
	err = c.in.ReadData(s.data[d.Offset:][:d.Length])
	if err != nil && !isDamage(err) {
		return err
	}
	s.damaged = s.damaged || err != nil
	if s.got += int(d.Length); s.got < s.want {
		return nil
	}
	return c.received(d.TTAG)
}

// receiving is the slot that data is for.
func (c *conn) receiving(d nvmetcp.DataHeader) (*slot, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if int(d.TTAG) >= len(c.slots.list) || c.slots.list[d.TTAG].state != slotReceiving {
		return nil, nvmetcp.Violation(nvmetcp.InvalidHeaderField, 10, "data for transfer %d, which was not asked for", d.TTAG)
	}
	s := &c.slots.list[d.TTAG]
	end := uint64(d.Offset) + uint64(d.Length)
	switch {
	case s.cmd.CID != d.CID:
		return nil, nvmetcp.Violation(nvmetcp.InvalidHeaderField, 8, "data for command %d, transfer %d is of %d", d.CID, d.TTAG, s.cmd.CID)
	case d.Length == 0 || d.Length > maxData:
		return nil, nvmetcp.Violation(nvmetcp.TransferLimit, 0, "%d bytes of data, 1 to %d are allowed", d.Length, maxData)
	case int(d.Offset) != s.got || end > uint64(s.want) || d.Last != (end == uint64(s.want)):
		return nil, nvmetcp.Violation(nvmetcp.DataOutOfRange, 0, "%d bytes at %d (last: %t), had %d of %d", d.Length, d.Offset, d.Last, s.got, s.want)
	}
	return s, nil
}

// received goes on with a command that has all of its data.
func (c *conn) received(tag uint16) error {
	s := &c.slots.list[tag]
	if s.damaged {
		if err := c.complete(s.cmd.CID, nvme.StatusTransientTransport, 0); err != nil {
			return err
		}
		return c.release(tag)
	}
	s.state = slotRunning
	if s.fault != nil {
		return c.postpone(tag)
	}
	if err := c.perform(c.controller.subsystem.namespaces[s.cmd.NSID], &s.cmd, s.data); err != nil {
		return err
	}
	return c.release(tag)
}

// park keeps a command that has all it needs, for a fault is to postpone it.
// data is of the receive buffer.
func (c *conn) park(cmd *nvmetcp.Command, fault *injected, data []byte) error {
	c.mu.Lock()
	tag, ok := c.slots.take(cmd, fault)
	if ok {
		s := &c.slots.list[tag]
		s.state, s.data = slotRunning, bytes.Clone(data)
	}
	c.mu.Unlock()
	if !ok {
		return errTooMany(len(c.slots.list))
	}
	return c.postpone(tag)
}

// release gives a slot and its memory back.
func (c *conn) release(tag uint16) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := &c.slots.list[tag]; s.owned {
		c.memory.put(s.data)
	}
	c.slots.release(tag)
	return c.requestWaiting()
}
