package host

import "github.com/braid-csi/braid/pkg/nvmetcp"

// maxSlots is the most commands that a queue can have outstanding. A CID is the
// index of a slot and, above it, a generation: so an answer that comes twice
// does not meet the slot's next command (drivers/nvme/host/nvme.h,
// nvme_genctr_mask).
const (
	slotBits = 12
	maxSlots = 1 << slotBits
)

// slot is a command that the controller has, or is about to get.
type slot struct {
	request *Request // nil: free
	cid     uint16
	// toController and toHost tell where data may go.
	toController, toHost bool
	// want is how much data there is, moved how much of it was received or
	// handed to the socket, granted how much an R2T has asked for.
	want, moved, granted int
	ttag                 uint16 // of the R2T
	// complete says that the controller has sent its last data, damaged that a
	// digest did not fit.
	complete, damaged bool
	// since is the tick at which the command was sent, or aborted.
	since   uint32
	aborted bool
}

// direction tells which way a command's data goes.
func direction(c *nvmetcp.Command) (toController, toHost bool) {
	bits := uint8(c.Opcode)
	if c.Opcode == nvmetcp.Fabrics {
		bits = uint8(c.FabricsType())
	}
	return bits&3 == 1, bits&3 == 2
}

// slots are those of a queue.
type slots struct {
	list []slot
	free []uint16
}

func newSlots(n int) slots {
	s := slots{list: make([]slot, n), free: make([]uint16, n)}
	for i := range s.list {
		s.list[i].cid = uint16(i)
		s.free[i] = uint16(n - 1 - i)
	}
	return s
}

// take gives a request a free slot. The caller has seen that there is one.
func (s *slots) take(r *Request, now uint32) *slot {
	last := len(s.free) - 1
	t := &s.list[s.free[last]]
	s.free = s.free[:last]
	*t = slot{request: r, cid: t.cid + maxSlots, since: now} // the next generation
	t.toController, t.toHost = direction(&r.Command)
	if t.toController || t.toHost {
		t.want = len(r.Data)
	}
	return t
}

// of returns the slot of a command that is outstanding, nil for none.
func (s *slots) of(cid uint16) *slot {
	i := int(cid % maxSlots)
	if i >= len(s.list) || s.list[i].request == nil || s.list[i].cid != cid {
		return nil
	}
	return &s.list[i]
}

// release frees a slot and returns its request.
func (s *slots) release(t *slot) *Request {
	r := t.request
	t.request = nil
	s.free = append(s.free, t.cid%maxSlots)
	return r
}
