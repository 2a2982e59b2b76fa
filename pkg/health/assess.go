package health

import (
	"time"

	"github.com/braid-csi/braid/pkg/multipath"
)

// History is what must be remembered of a path set between two assessments.
// It is a value: copies are independent, the zero value is a set that was
// never assessed.
type History struct {
	assessed bool
	// staging is when the set was first seen being staged; zero if that was
	// over before anybody looked.
	staging time.Time
	traces  [len(catalogue)]trace // by rank of the reason
	quality *quality
}

// trace is the past of one reason.
type trace struct {
	// holds is the latest verdict that was not unknown, since when it was
	// first given.
	holds  bool
	since  time.Time
	raised bool
}

// Assess judges a path set at the time now and returns its findings, worst
// first, with the history to pass to the next assessment of the same set. The
// messages carry text from outside; Guard the findings before showing them.
func Assess(set *multipath.PathSet, p Policy, prev History, now time.Time) ([]Finding, History) {
	next := prev
	next.assessed = true
	if !prev.assessed && set.Device.State == multipath.DevicePending || prev.staging.After(now) {
		next.staging = now
	}
	var staging time.Time
	if now.Sub(next.staging) < p.ConnectGrace {
		staging = next.staging
	}
	js := judge(set, p, staging, now)
	if next.quality = prev.quality.next(set, now); set.Device.State != multipath.DevicePending {
		js[PathMarginal] = judgeQuality(set, next.quality)
	}
	for rank, c := range catalogue {
		raiseAfter, clearAfter := p.RaiseAfter, p.ClearAfter
		if !prev.assessed {
			raiseAfter = 0
		}
		if c.status == Inaccessible {
			clearAfter = 0
		}
		next.traces[rank] = prev.traces[rank].next(js[c.reason].verdict, raiseAfter, clearAfter, now)
	}
	return next.findings(js, p.ClearAfter), next
}

// next carries a trace on by one verdict.
func (t trace) next(v verdict, raiseAfter, clearAfter time.Duration, now time.Time) trace {
	if t.since.After(now) {
		t.since = now // the clock stepped back: wait anew rather than for hours
	}
	if v == unknown {
		if !t.holds {
			t.since = now // only known absence counts as quiet
		}
		return t
	}
	if is := v == holds; is != t.holds {
		t.holds, t.since = is, now
	}
	lasted := now.Sub(t.since)
	switch {
	case t.holds && lasted >= raiseAfter:
		t.raised = true
	case !t.holds && (!t.raised || lasted >= clearAfter):
		return trace{}
	}
	return t
}

// findings turns the raised traces into findings with what is so now.
func (h History) findings(js map[Reason]judgement, clearAfter time.Duration) []Finding {
	var fs []Finding
	for rank, c := range catalogue {
		t := h.traces[rank]
		if !t.raised || h.superseded(c.reason) {
			continue
		}
		msg := js[c.reason].message
		if !t.holds {
			msg = recovering(msg, clearAfter)
		}
		fs = append(fs, Finding{c.status, c.reason, msg})
	}
	return fs
}

// superseded tells whether a raised finding says all that r could say.
func (h History) superseded(r Reason) bool {
	switch r {
	case PathRedundancyLost, NoOptimizedPath:
		return h.raised(NoUsablePath)
	case PathDown:
		return h.raised(NoUsablePath) || h.raised(PathRedundancyLost)
	}
	return false
}

func (h History) raised(r Reason) bool { return h.traces[r.rank()].raised }
