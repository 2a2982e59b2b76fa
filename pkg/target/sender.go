package target

import (
	"io"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// sender collects what goes to the host in one buffer of a fixed size. What
// belongs to one batch of commands leaves in one write.
type sender struct {
	framing nvmetcp.Framing
	w       io.Writer
	buf     []byte
	err     error // the first; nothing is sent after it
}

// room makes room for n bytes.
func (s *sender) room(n int) error {
	if s.err == nil && len(s.buf)+n > cap(s.buf) {
		return s.flush()
	}
	return s.err
}

func (s *sender) flush() error {
	if s.err == nil && len(s.buf) > 0 {
		_, s.err = s.w.Write(s.buf)
		s.buf = s.buf[:0]
	}
	return s.err
}

// flush sends what was collected.
func (c *conn) flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.flush()
}

// complete answers a command; the answer leaves with the batch.
func (c *conn) complete(cid uint16, status nvme.Status, result uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.appendCompletion(cid, status, result)
}

// completeLater answers a command that is not of the batch: at once.
func (c *conn) completeLater(cid uint16, status nvme.Status, result uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.appendCompletion(cid, status, result); err != nil {
		return err
	}
	return c.out.flush()
}

// appendCompletion is called with the lock held, as all that follows.
func (c *conn) appendCompletion(cid uint16, status nvme.Status, result uint64) error {
	if err := c.out.room(c.out.framing.Overhead(nvmetcp.CapsuleResp)); err != nil {
		return err
	}
	completion := nvmetcp.Completion{Result: result, SQID: c.queueID, CID: cid, Status: status}
	if c.flowControl {
		completion.SQHead = c.head
	}
	c.out.buf = c.out.framing.AppendCompletion(c.out.buf, completion)
	return nil
}

// appendData sends length bytes of a command's data, which read puts in place,
// and its completion. An error of read is the status of the command.
func (c *conn) appendData(cid uint16, length int, read func(b []byte, offset int64) error) error {
	f := c.out.framing
	for done := 0; done < length; {
		n := min(length-done, maxData)
		if err := c.out.room(f.Overhead(nvmetcp.C2HData) + n); err != nil {
			return err
		}
		last := done+n == length
		begin := len(c.out.buf)
		// Only without flow control may the data complete the command: there
		// is no queue head in it (TCP Transport Specification, section 3.3.2.1).
		header := nvmetcp.DataHeader{CID: cid, Offset: uint32(done), Length: uint32(n), Last: last, Success: last && !c.flowControl}
		c.out.buf = f.AppendC2HData(c.out.buf, header)
		at := len(c.out.buf)
		c.out.buf = c.out.buf[:at+n]
		if err := read(c.out.buf[at:], int64(done)); err != nil {
			c.out.buf = c.out.buf[:begin]
			return c.appendCompletion(cid, nvme.StatusReadFault, 0)
		}
		c.out.buf = f.AppendDataDigest(c.out.buf, c.out.buf[at:])
		done += n
		if header.Success {
			return nil
		}
	}
	return c.appendCompletion(cid, nvme.StatusSuccess, 0)
}

// answer completes an admin command with data, as much as the host asked for.
func (c *conn) answer(cmd *nvmetcp.Command, data []byte) error {
	length := int(min(uint64(cmd.SGL.Length), uint64(len(data))))
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.appendData(cmd.CID, length, func(b []byte, offset int64) error {
		copy(b, data[offset:])
		return nil
	})
}
