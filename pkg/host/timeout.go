package host

import (
	"context"
	"fmt"
	"time"

	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// ticks is how often timeouts are looked for within the shortest. Commands are
// stamped with the number of the tick, for reading a clock costs, and so they
// may take up to a tick longer than they should.
const ticks = 8

// expired is a command that has taken too long.
type expired struct {
	cid uint16
	// again says that it was aborted already, and did not care.
	again bool
}

// tick counts a tick and returns the commands that are older than limit ticks.
// In the middle of a batch it does not look: there is another tick.
func (q *queue) tick(limit uint32) (late []expired) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.now++
	if q.batch {
		return nil
	}
	for i := range q.slots.list {
		s := &q.slots.list[i]
		if s.request == nil || q.now-s.since <= limit {
			continue
		}
		if q.id == 0 && s.request.Command.Opcode == nvmetcp.AsyncEventRequest {
			continue // it is answered when there is an event
		}
		late = append(late, expired{s.cid, s.aborted})
	}
	return late
}

// markAborted gives a command another timeout. It returns false if it has been
// answered meanwhile, or may just be.
func (q *queue) markAborted(cid uint16) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.batch {
		return false
	}
	s := q.slots.of(cid)
	if s != nil {
		s.aborted, s.since = true, q.now
	}
	return s != nil
}

// watch looks for commands that take too long until the association ends. An
// admin command that does costs the association; an I/O command is aborted
// first, if the controller still answers, for a slow back end is no dead path.
func (a *association) watch() {
	every := min(a.cfg.IOTimeout, a.cfg.AdminTimeout) / ticks
	limit := func(timeout time.Duration) uint32 { return uint32((timeout + every - 1) / every) }
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-a.ended:
			return
		case <-ticker.C:
		}
		if late := a.admin.tick(limit(a.cfg.AdminTimeout)); len(late) > 0 {
			a.admin.fail(fmt.Errorf("an admin command was not answered within %s", a.cfg.AdminTimeout))
		}
		for _, q := range a.io {
			for _, e := range q.tick(limit(a.cfg.IOTimeout)) {
				a.expire(q, e)
			}
		}
	}
}

// expire aborts a command, or ends the association if that was done before.
func (a *association) expire(q *queue, e expired) {
	if e.again {
		a.fail(fmt.Errorf("queue %d: command 0x%04x was not answered within %s, and not aborted in as long", q.id, e.cid, a.cfg.IOTimeout))
		return
	}
	select {
	case a.aborts <- struct{}{}:
	default:
		return // the controller takes no more aborts now: at the next tick
	}
	if !q.markAborted(e.cid) {
		<-a.aborts
		return
	}
	a.running.Go(func() {
		defer func() { <-a.aborts }()
		a.abort(q, e.cid)
	})
}

// abort asks the controller to abort a command. Whatever it answers, the
// command ends with its own completion, or with the association.
func (a *association) abort(q *queue, cid uint16) {
	a.log.Info("I/O command takes too long, aborting it", "queue", q.id, "cid", cid, "timeout", a.cfg.IOTimeout)
	cmd := nvmetcp.Command{Opcode: nvmetcp.Abort, Dwords: [6]uint32{uint32(q.id) | uint32(cid)<<16}}
	c, err := a.exec(context.Background(), "abort", cmd, nil)
	if err != nil {
		a.log.Error(err, "Aborting a command", "queue", q.id, "cid", cid)
		return
	}
	a.log.V(1).Info("Abort was answered", "queue", q.id, "cid", cid, "aborted", c.Result&1 == 0)
}
