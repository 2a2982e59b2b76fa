package stall

import (
	"slices"
	"time"

	"github.com/braid-csi/braid/pkg/multipath"
)

// connections judges a controller's connections. One that is silent is enough:
// the requests of its queue are lost, whatever the others do. Where several are,
// and all of them, one attempt less is as good.
func connections(all []multipath.Connection) multipath.Connections {
	answered := func(c multipath.Connection) bool { return !inVain(c, deadBackoff-1) }
	if len(all) > 1 && !slices.ContainsFunc(all, answered) {
		return multipath.Silent
	}
	heard := false
	answering := len(all) > 0
	for _, c := range all {
		if inVain(c, deadBackoff) {
			return multipath.Silent
		}
		if c.Unacknowledged > 0 && c.Backoff > 0 {
			answering = false
		}
		heard = heard || c.SinceAck < lately
	}
	if answering && heard {
		return multipath.Answering
	}
	return multipath.Unproved
}

// inVain tells whether a connection has sent the same for so long that the pause
// was doubled that often, and nothing has come back.
func inVain(c multipath.Connection, doubled int) bool {
	return c.Unacknowledged > 0 && c.Backoff >= doubled && c.SinceAck >= deadSilence
}

// repeats tells whether a connection sends again what was not acknowledged.
func repeats(all []multipath.Connection) bool {
	for _, c := range all {
		if c.Unacknowledged > 0 && c.Backoff > 0 {
			return true
		}
	}
	return false
}

// completed is what every path has completed.
func completed(s *multipath.Subsystem) map[string]uint64 {
	n := map[string]uint64{}
	for i := range s.Heads {
		for j := range s.Heads[i].Paths {
			if p := &s.Heads[i].Paths[j]; p.IO != nil {
				n[p.Epoch] = p.IO.Completed()
			}
		}
	}
	return n
}

// longestTimeout is for how long the kernel waits for a request, at most.
func longestTimeout(s *multipath.Subsystem) time.Duration {
	longest := time.Duration(0)
	for i := range s.Heads {
		for j := range s.Heads[i].Paths {
			t := s.Heads[i].Paths[j].IOTimeout
			if t == 0 {
				t = ioTimeout
			}
			longest = max(longest, t)
		}
	}
	return longest
}
