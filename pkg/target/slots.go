package target

import (
	"time"

	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// slotState is where a command is that was not executed at once.
//
//	          no memory left              R2T sent              all data here
//	taken ------------------> waiting ----------------> receiving -----------> running
//	  |                                                     ^                   |   ^
//	  +----------- there is memory: R2T sent ---------------+                   |   |
//	  +------------ a fault delays it, and its data is here already ------------|---+
//	                                                                            v
//	free <---------------------------- answered ---------------------------- (delay)
type slotState uint8

const (
	slotFree slotState = iota
	slotWaiting
	slotReceiving
	slotRunning
)

// slot is a command that waits for its data or for its time.
type slot struct {
	state slotState
	cmd   nvmetcp.Command
	fault *injected
	data  []byte
	owned bool // data is of the arena
	want  int  // how much data the command has
	got   int  // how much of it has come
	// damaged says that a digest did not fit.
	damaged bool
	timer   *time.Timer
}

// slots are those of a connection. The index is the transfer tag.
type slots struct {
	list    []slot
	free    []uint16
	waiting []uint16 // in order
	stopped bool
}

func (s *slots) init(n int) {
	s.list = make([]slot, n)
	s.free = make([]uint16, n)
	s.waiting = make([]uint16, 0, n)
	for i := range s.free {
		s.free[i] = uint16(n - 1 - i)
	}
}

// take returns a free slot; ok is false if the host has more commands
// outstanding than its queue has entries.
func (s *slots) take(cmd *nvmetcp.Command, f *injected) (tag uint16, ok bool) {
	if len(s.free) == 0 || s.stopped {
		return 0, false
	}
	tag = s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	s.list[tag] = slot{cmd: *cmd, fault: f}
	return tag, true
}

// release frees a slot whose data was given back.
func (s *slots) release(tag uint16) {
	if s.stopped {
		return
	}
	s.list[tag] = slot{}
	s.free = append(s.free, tag)
}

// stop calls cancelled for each command whose time will not come any more.
func (s *slots) stop(cancelled func()) {
	s.stopped = true
	for i := range s.list {
		if t := s.list[i].timer; t != nil && t.Stop() {
			cancelled()
		}
	}
}
