package head

import (
	"time"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/nvme"
)

// wait puts a request into a list.
func (h *Head) wait(r *Request, s waitState) {
	h.mu.Lock()
	h.waiting[s].push(r)
	h.mu.Unlock()
	h.poke()
}

// kick makes parked requests look for a path again.
func (h *Head) kick() {
	h.mu.Lock()
	h.kicked = true
	h.mu.Unlock()
	h.poke()
}

// poke wakes the goroutine of requeue.
func (h *Head) poke() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// requeue sends the requests that wait, each when its time comes, until the
// head is closed and has none.
func (h *Head) requeue() {
	defer close(h.ended)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := time.Now()
		due := h.due(now)
		for r := due.pop(); r != nil; r = due.pop() {
			h.again(r, now)
		}
		if h.closed.Load() && h.pending.Load() == 0 {
			return
		}
		if next := h.next(now); next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(next))
		}
		select {
		case <-h.wake:
		case <-timer.C:
		}
	}
}

// due takes what need not wait longer, the oldest first.
func (h *Head) due(now time.Time) list {
	var due list
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.closed.Load()
	kicked := h.kicked || all
	h.kicked = false
	h.waiting[parked].move(&due, func(r *Request) bool { return kicked || h.tooLong(r, now) })
	for _, s := range []waitState{delayed, held} {
		h.waiting[s].move(&due, func(r *Request) bool { return all || !r.notBefore.After(now) })
	}
	h.waiting[ready].move(&due, func(*Request) bool { return true })
	return due
}

// again does for one request what Submit could not.
func (h *Head) again(r *Request, now time.Time) {
	switch {
	case r.Status != nvme.StatusSuccess: // it was refused
		h.finish(r, r.Status)
		return
	case h.closed.Load():
		h.finish(r, nvme.StatusAbortedSQDeletion)
		return
	}
	if until := h.heldUntil(r); !until.IsZero() {
		h.hold(r, until)
		return
	}
	since := r.since
	r.since = time.Time{}
	if h.send(r) {
		return
	}
	if r.since = since; since.IsZero() {
		r.since = now
	}
	if !h.available() || h.tooLong(r, now) {
		h.failures.Add(1)
		h.finish(r, nvme.StatusHostPathError)
		return
	}
	h.requeues.Add(1)
	h.wait(r, parked)
}

// hold makes a request wait for the end of a window.
func (h *Head) hold(r *Request, until time.Time) {
	r.notBefore = until
	h.wait(r, held)
	if !h.told {
		h.told = true
		klog.FromContext(h.ctx).Info("Holding back a write: a lost one may still change its blocks",
			"nsid", h.NSID(), "start", r.Start, "blocks", r.Blocks, "for", time.Until(until).Round(time.Millisecond))
	}
}

// tooLong tells whether a request was parked for as long as it may.
func (h *Head) tooLong(r *Request, now time.Time) bool {
	return h.cfg.NoPathTimeout > 0 && !r.since.IsZero() && now.Sub(r.since) >= h.cfg.NoPathTimeout
}

// next is when to look again, the zero time if nothing waits for a time.
func (h *Head) next(now time.Time) time.Time {
	next := h.doubts.expire(now)
	earlier := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range []waitState{delayed, held} {
		for r := h.waiting[s].first; r != nil; r = r.next {
			earlier(r.notBefore)
		}
	}
	if h.cfg.NoPathTimeout > 0 {
		for r := h.waiting[parked].first; r != nil; r = r.next {
			earlier(r.since.Add(h.cfg.NoPathTimeout))
		}
	}
	if next.IsZero() {
		h.told = false // nothing is in doubt: the next one is news
	}
	return next
}
