package head

import (
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
)

// completed is called when a path is done with a request.
func (h *Head) completed(r *Request) {
	r.path.inFlight.Add(-1)
	r.path.outstanding.Add(-1)
	s := r.command.Completion.Status
	switch {
	case s.Code() != nvme.StatusSuccess:
		h.failed(r, s)
	case !h.heldUntil(r).IsZero():
		// While it was on its way, another write to the same blocks was lost,
		// and may still take effect on top of it. So it is not done.
		h.wait(r, ready)
	default:
		h.finish(r, nvme.StatusSuccess)
	}
}

// failed decides what becomes of a request that did not succeed.
func (h *Head) failed(r *Request, s nvme.Status) {
	p := r.path
	h.doubt(r)
	switch decide(s, r.retries, going(p.link.State())) {
	case complete:
		p.errors.Add(1)
		h.finish(r, s)
	case retry:
		p.retries.Add(1)
		r.retries++
		r.left = nil
		r.notBefore = time.Now().Add(retryDelay(s, p.link.Identify().RetryDelays))
		h.wait(r, delayed)
	case failover:
		p.failovers.Add(1)
		h.current.CompareAndSwap(p, nil)
		p.suspect(s)
		r.retries = 0 // Linux counts them for each path anew
		r.left = p
		h.kick()
		h.wait(r, ready)
	}
}

// going tells whether a controller in that state is about to be removed.
func going(s nvme.ControllerState) bool {
	return s == nvme.StateDeleting || s == nvme.StateDeletingNo || s == nvme.StateDead
}

// doubt marks the range of a request that was lost and may still take effect.
func (h *Head) doubt(r *Request) {
	until := r.command.InDoubtUntil
	if until.IsZero() || !r.Op.ChangesData() || h.cfg.InDoubt.Ignore {
		return
	}
	if w := h.cfg.InDoubt.Window; w != 0 {
		until = time.Now().Add(w)
	}
	if h.cfg.InDoubt.HoldRetries {
		h.doubts.mark(nil, r.Start, uint64(r.Blocks), until) // nobody's: the retry is held like all others
		return
	}
	r.marked = true
	h.doubts.mark(r, r.Start, uint64(r.Blocks), until)
}
