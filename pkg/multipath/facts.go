package multipath

import "time"

// Connection is one of a controller's TCP connections, as this end has it.
type Connection struct {
	// Unacknowledged is how many segments were sent and not acknowledged, and
	// Backoff how often the time until the next attempt was doubled since.
	Unacknowledged int
	Backoff        int
	// Retransmitted counts what was sent again since the connection is there.
	Retransmitted uint64
	// RTT is the smoothed round-trip time.
	RTT time.Duration
	// SinceAck is the time since the far end acknowledged anything.
	SinceAck time.Duration
}

// PathIO is what went through a path since its disk is there, and what is on its
// way. Requests that failed over count for the path that completed them.
type PathIO struct {
	InFlight int
	// Reads and Writes were completed in ReadTime and WriteTime altogether.
	// Discards and flushes are in neither.
	Reads, Writes       uint64
	ReadTime, WriteTime time.Duration
}

// Completed is how many reads and writes have come back.
func (io *PathIO) Completed() uint64 { return io.Reads + io.Writes }

// InFlight is how many requests are on their way through a controller, for
// whatever namespace; nil if that is not known.
func (s *Subsystem) InFlight(controller string) *int {
	n := new(int)
	for i := range s.Heads {
		p := s.Heads[i].path(controller)
		switch {
		case p == nil:
		case p.IO == nil:
			return nil
		default:
			*n += p.IO.InFlight
		}
	}
	return n
}
