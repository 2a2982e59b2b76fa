package target

import (
	"io"
	"net"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// capsule takes a command from its header.
func (c *conn) capsule(b []byte) error {
	cmd, err := nvmetcp.ParseCapsuleCommand(b)
	if err != nil {
		return err
	}
	if n := c.in.DataLength(); n > inCapsule {
		return nvmetcp.Violation(nvmetcp.TransferLimit, 0, "%d bytes of data in a capsule, at most %d", n, inCapsule)
	}
	c.fetched()
	fault := c.hit(&cmd)
	switch {
	case fault == nil:
	case fault.Drop:
		return io.EOF
	case fault.Status != 0:
		return c.complete(cmd.CID, fault.Status, 0)
	}
	if k := c.controller; k != nil && !k.traffic.Load() { // do not write where all queues read
		k.traffic.Store(true)
	}
	switch {
	case cmd.Opcode == nvmetcp.Fabrics:
		return c.fabrics(&cmd)
	case c.controller == nil:
		return c.complete(cmd.CID, nvme.StatusCommandSequenceError|nvme.DNR, 0)
	case c.queueID == 0:
		return c.admin(&cmd)
	}
	return c.io(&cmd, fault)
}

// fetched moves the head of the submission queue.
func (c *conn) fetched() {
	if c.flowControl {
		c.mu.Lock()
		c.head = (c.head + 1) % c.size
		c.mu.Unlock()
	}
}

// io starts an I/O command.
func (c *conn) io(cmd *nvmetcp.Command, fault *injected) error {
	ns := c.controller.subsystem.namespaces[cmd.NSID]
	if ns == nil {
		return c.complete(cmd.CID, nvme.StatusInvalidNamespace|nvme.DNR, 0)
	}
	if status := c.port.anaStatus(ns.group); status != nvme.StatusSuccess {
		return c.complete(cmd.CID, status, 0)
	}
	if status := ns.check(cmd); status != nvme.StatusSuccess {
		return c.complete(cmd.CID, status, 0)
	}
	if !cmd.Opcode.FromHost() {
		if fault == nil {
			return c.perform(ns, cmd, nil)
		}
		return c.park(cmd, fault, nil)
	}
	if cmd.SGL.Type == nvmetcp.SGLTransport {
		if c.in.DataLength() != 0 {
			return c.complete(cmd.CID, nvme.StatusSGLTypeInvalid|nvme.DNR, 0)
		}
		return c.request(cmd, fault)
	}
	if cmd.SGL.Type != nvmetcp.SGLInCapsule || cmd.SGL.Offset != 0 {
		return c.complete(cmd.CID, nvme.StatusSGLTypeInvalid|nvme.DNR, 0)
	}
	if int64(c.in.DataLength()) != int64(cmd.SGL.Length) {
		return c.complete(cmd.CID, nvme.StatusSGLDataLengthInvalid|nvme.DNR, 0)
	}
	data, err := c.in.Data()
	switch {
	case isDamage(err):
		return c.complete(cmd.CID, nvme.StatusTransientTransport, 0)
	case err != nil:
		return err
	case fault != nil:
		return c.park(cmd, fault, data)
	}
	return c.perform(ns, cmd, data)
}

// perform executes a command that has all it needs, and answers it.
func (c *conn) perform(ns *namespace, cmd *nvmetcp.Command, data []byte) error {
	if cmd.Opcode != nvmetcp.Read {
		status, ok := c.effects.execute(ns, cmd, data)
		if !ok {
			return net.ErrClosed
		}
		return c.complete(cmd.CID, status, 0)
	}
	start, blocks := cmd.Blocks()
	offset, length, _ := ns.extent(start, blocks) // checked when the command came
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.appendData(cmd.CID, int(length), func(b []byte, at int64) error {
		_, err := ns.ReadAt(b, offset+at)
		return err
	})
}
