package target

import "time"

// postpone does what the fault says with a command that is ready to run.
func (c *conn) postpone(tag uint16) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.slots.list[tag]
	if s.fault.Hold != nil {
		c.hold(s)
		return nil
	}
	c.async.Add(1)
	s.timer = time.AfterFunc(s.fault.delay(), func() {
		defer c.async.Done()
		c.resume(tag)
	})
	return nil
}

// hold keeps a command for the time after the connection. Its slot and memory
// stay taken, so a host can have no more of them than its queue has entries.
func (c *conn) hold(s *slot) {
	cmd, data, ns := s.cmd, s.data, c.controller.subsystem.namespaces[s.cmd.NSID]
	c.held = append(c.held, heldWrite{
		run:   func() { ns.execute(&cmd, data) },
		after: time.Duration(*s.fault.Hold),
	})
	c.target.late.held.Add(1)
}

// resume executes a command that was delayed, unless the connection has ended.
func (c *conn) resume(tag uint16) {
	c.mu.Lock()
	stopped := c.slots.stopped
	s := &c.slots.list[tag]
	c.mu.Unlock()
	if stopped {
		return
	}
	ns := c.controller.subsystem.namespaces[s.cmd.NSID]
	if c.perform(ns, &s.cmd, s.data) != nil || c.release(tag) != nil {
		return // the connection has ended, and its goroutine knows
	}
	_ = c.flush() // as above
}
