package stall

import (
	"time"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/nvme"
)

const (
	// deadBackoff is how often the time to the next attempt must have been
	// doubled: from 200 ms on, this is 1.4 s of attempts in vain.
	deadBackoff = 3
	// deadSilence is for how long nothing must have been acknowledged. A peer
	// without room for data acknowledges that it has none.
	deadSilence = time.Second
	// lately is how old the last sign of life may be of a connection that counts
	// as answering. Keep-alives are sent within half their timeout.
	lately = 10 * time.Second
	// idle is for how long nothing must be in flight: requests that change their
	// path are in flight on none for a moment.
	idle = time.Second
	// hangs is for how long nothing must come back through a path for that to be
	// worth a closer look. A look takes place every half a second by default.
	hangs = 400 * time.Millisecond
	// ioTimeout is the kernel's default (nvme_core.io_timeout).
	ioTimeout = 30 * time.Second
)

// Watch remembers what observations said. The zero value is ready; it is not
// safe for concurrent use.
type Watch struct {
	subsystems map[nvme.NQN]*subsystem
}

// subsystem is what is remembered of one.
type subsystem struct {
	controllers map[string]*controller // by epoch
	// set names the requests that hang; "" while none do. It began to be idle, or
	// to be settled, at these times; zero while it is not.
	set           string
	idle, settled time.Time
}

// controller is what is remembered of one.
type controller struct {
	multipath.Evidence
	live bool
	// completed is what each path had completed when a connection of this
	// controller was first seen to repeat itself; nil while none does.
	completed map[string]uint64 // by the path's epoch
	// done is what each path had completed at doneAt, when a request last came
	// back through this controller, or there was none.
	done   map[string]uint64
	doneAt time.Time
}

// See takes note of an observation.
func (w *Watch) See(obs *multipath.Observation) {
	seen := map[nvme.NQN]*subsystem{}
	for i := range obs.Subsystems {
		s := &obs.Subsystems[i]
		known := w.subsystems[s.NQN]
		if known == nil {
			known = &subsystem{}
		}
		known.see(obs.At, s)
		seen[s.NQN] = known
	}
	w.subsystems = seen
}

// Evidence returns what is known of a subsystem's controllers, by their names.
func (w *Watch) Evidence(s *multipath.Subsystem) map[string]multipath.Evidence {
	known := w.subsystems[s.NQN]
	if known == nil {
		return nil
	}
	evidence := map[string]multipath.Evidence{}
	for i := range s.Controllers {
		if c := known.controllers[s.Controllers[i].Epoch]; c != nil {
			evidence[s.Controllers[i].Name] = c.Evidence
		}
	}
	return evidence
}

func (k *subsystem) see(at time.Time, s *multipath.Subsystem) {
	before := k.controllers
	k.controllers = map[string]*controller{}
	for i := range s.Controllers {
		c := &s.Controllers[i]
		now := &controller{live: c.State == nvme.StateLive}
		now.Connections = connections(c.Connections)
		now.InFlight = s.InFlight(c.Name)
		if was := before[c.Epoch]; repeats(c.Connections) {
			if was != nil && was.completed != nil {
				now.completed = was.completed
			} else {
				now.completed = completed(s)
			}
		}
		now.goOn(at, s, c.Name, before[c.Epoch])
		k.controllers[c.Epoch] = now
	}
	k.name(at, s, before)
	for i := range s.Controllers {
		c := &s.Controllers[i]
		now := k.controllers[c.Epoch]
		if now.busy() {
			now.Requests = k.set
		}
		switch {
		case now.Connections == multipath.Silent:
			now.OthersComplete = k.othersComplete(s, c, now.completed)
		case !now.HangsSince.IsZero():
			now.OthersComplete = k.othersComplete(s, c, now.done)
		}
	}
}

// goOn notes whether anything comes back through a controller, as it was before
// if it was there.
func (c *controller) goOn(at time.Time, s *multipath.Subsystem, name string, was *controller) {
	c.done, c.doneAt = completed(s), at
	if was == nil || !c.live || c.InFlight == nil || *c.InFlight == 0 || advanced(s, name, was.done) {
		return
	}
	c.done, c.doneAt = was.done, was.doneAt
	if at.Sub(c.doneAt) >= hangs {
		c.HangsSince = c.doneAt
	}
}

// advanced tells whether a request has come back through a controller since.
func advanced(s *multipath.Subsystem, controller string, since map[string]uint64) bool {
	for i := range s.Heads {
		for j := range s.Heads[i].Paths {
			p := &s.Heads[i].Paths[j]
			if p.Controller == controller && p.IO != nil && p.IO.Completed() != since[p.Epoch] {
				return true
			}
		}
	}
	return false
}

// busy tells whether requests are in flight, or may be.
func (c *controller) busy() bool { return c.InFlight == nil || *c.InFlight > 0 }

// name begins a set, or ends it.
func (k *subsystem) name(at time.Time, s *multipath.Subsystem, before map[string]*controller) {
	hangs, anyBusy, settled := false, false, true
	for epoch, c := range k.controllers {
		silent := c.Connections == multipath.Silent
		hangs = hangs || silent && c.busy()
		anyBusy = anyBusy || c.busy()
		was := before[epoch]
		if silent || !c.live && (c.busy() || was != nil && was.live) {
			settled = false
		}
	}
	for epoch, was := range before { // one that is gone has left its requests to others
		if k.controllers[epoch] == nil && was.live {
			settled = false
		}
	}
	if k.set == "" {
		if hangs {
			k.set, k.idle, k.settled = at.Format(time.RFC3339Nano), time.Time{}, time.Time{}
		}
		return
	}
	since(&k.idle, at, !anyBusy)
	since(&k.settled, at, settled)
	if !k.idle.IsZero() && at.Sub(k.idle) >= idle || !k.settled.IsZero() && at.Sub(k.settled) > longestTimeout(s) {
		k.set = ""
	}
}

// since notes since when something has been so, zero while it is not.
func since(t *time.Time, at time.Time, is bool) {
	switch {
	case !is:
		*t = time.Time{}
	case t.IsZero():
		*t = at
	}
}

// othersComplete tells whether every namespace with requests in flight through a
// controller, of which there must be one, has since completed some through
// another one that is well.
func (k *subsystem) othersComplete(s *multipath.Subsystem, c *multipath.Controller, before map[string]uint64) bool {
	waiting := false
	for i := range s.Heads {
		h := &s.Heads[i]
		if !h.WaitsFor(c.Name) {
			continue
		}
		if !k.completes(s, h, c.Name, before) {
			return false
		}
		waiting = true
	}
	return waiting
}

// completes tells whether a namespace has completed requests through another
// controller than one that hangs.
func (k *subsystem) completes(s *multipath.Subsystem, h *multipath.Head, hangs string, before map[string]uint64) bool {
	for i := range h.Paths {
		p := &h.Paths[i]
		c := s.Controller(p.Controller)
		was, known := before[p.Epoch]
		if p.Controller != hangs && c != nil && known && p.IO != nil && p.IO.Completed() > was &&
			nvme.Usable(c.State, p.ANAState) && k.controllers[c.Epoch].Connections != multipath.Silent {
			return true
		}
	}
	return false
}
