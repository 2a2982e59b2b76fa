package ledger

import (
	"maps"
	"math"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
)

// merge returns the record after one more sample, and whether anything changed
// that must survive, which is all but LastSample.
func merge(r Record, s Sample, quiet time.Duration) (_ Record, changed bool) {
	disturbed := s.Down
	if s.counts() {
		before := r
		r, changed = count(r, s)
		r.LastSample = stamp(s.At)
		if rose(before, r, nvme.Failovers) {
			r.LastFailover, disturbed = stamp(s.At), true
		}
		// A controller has no failovers of its own; what disturbs it is a reset.
		disturbed = disturbed || rose(before, r, nvme.Resets)
	}
	if disturbed {
		r, changed = event(r, s.At, quiet), true
	}
	return r, changed
}

// count adds what a sample's counters show beyond the record's tallies. It
// allocates only if something changed.
func count(r Record, s Sample) (_ Record, changed bool) {
	l := lifeOf(r, s)
	tallies, whole, sure := r.Tallies, true, true
	before, former := r, r.former(s.Epoch)
	for c, raw := range s.Counters {
		last, known := r.Tallies[c]
		next, ok := resume(c, last, raw, lifeOfCounter(l, known), former)
		attested := before.attests(s, c)
		whole, sure = whole && (ok || attested), sure && (s.Exact || attested)
		if known && next == last {
			continue
		}
		if !changed {
			tallies, changed = cloneTallies(r.Tallies), true
		}
		tallies[c] = next
	}
	r.Tallies = tallies
	r, more := hear(before, r, s)
	changed = changed || more
	if !whole || changed && !sure {
		r.LastGap = stamp(s.At)
	}
	if l == firstLife {
		r.CountedSince, r.Exact = stamp(s.At), true
	}
	exact := r.Exact && sure && whole
	changed = changed || l != sameLife || exact != r.Exact
	if l == newEpoch {
		r.Former = leave(before)
	}
	r.Epoch, r.Source, r.Exact = s.Epoch, s.Source, exact
	return r, changed
}

// rose tells whether a counter that was known before has counted. What the
// first sample of a record brings happened at an unknown time: it is no event.
func rose(before, after Record, c nvme.Counter) bool {
	was, known := before.Tallies[c]
	return known && after.Tallies[c].Lifetime != was.Lifetime
}

// maxFormer is how many epochs a record remembers besides its own.
const maxFormer = 4

// former returns the raw values that an epoch was left with, nil for one that
// is not remembered.
func (r Record) former(epoch string) map[nvme.Counter]uint64 {
	for _, f := range r.Former {
		if f.Epoch == epoch {
			return f.Raw
		}
	}
	return nil
}

// leave returns the record's former epochs with its own put first.
func leave(r Record) []Former {
	raw := make(map[nvme.Counter]uint64, len(r.Tallies))
	for c, t := range r.Tallies {
		raw[c] = t.Raw
	}
	left := []Former{{Epoch: r.Epoch, Raw: raw}}
	for _, f := range r.Former {
		if f.Epoch != r.Epoch && len(left) < maxFormer {
			left = append(left, f)
		}
	}
	return left
}

// resume is advance for a counter whose epoch may have been left and come
// back, as when two controllers serve one address by turns: it then goes on
// from where it was left, and what it counted before does not count again.
func resume(c nvme.Counter, t Tally, raw uint64, l life, former map[nvme.Counter]uint64) (_ Tally, whole bool) {
	left, ok := former[c]
	if l != newEpoch || !ok {
		return advance(c, t, raw, l)
	}
	t.Raw = left
	t, _ = advance(c, t, raw, sameLife)
	return t, false
}

// life is how a sample's counters stand to the ones read before.
type life int

const (
	sameLife  life = iota // the same counters
	firstLife             // nothing was read before
	newEpoch              // new counters, which began at 0
	newSource             // another source, which may have counted in parallel
)

func lifeOf(r Record, s Sample) life {
	switch {
	case len(r.Tallies) == 0:
		return firstLife
	case first(r.Source) != first(s.Source):
		return newSource
	case r.Epoch != s.Epoch:
		return newEpoch
	}
	return sameLife
}

// first is whose the counters of a source are, leaving out the witness.
func first(s nvme.CounterSource) nvme.CounterSource {
	if s == nvme.SourceBoth {
		return nvme.SourceKernelAttribute
	}
	return s
}

// lifeOfCounter is l, except for a counter that appears beside known ones: it
// is all new, but was not counted as long as the record says.
func lifeOfCounter(l life, known bool) life {
	if known || l == firstLife {
		return l
	}
	return newEpoch
}

// advance returns the tally of counter c after reading raw, and whether it can
// have missed nothing. The cases are those of the table in doc.go.
func advance(c nvme.Counter, t Tally, raw uint64, l life) (_ Tally, whole bool) {
	var delta uint64
	switch {
	case l == firstLife:
		delta, whole = raw, true
	case l == newEpoch:
		delta = raw
	case l == newSource:
	case raw >= t.Raw:
		delta, whole = raw-t.Raw, true
	case c == nvme.Reconnects && raw >= t.Raw-raw:
		return t, true // it had read up to double: wait until it is past that
	default:
		delta = raw
	}
	return Tally{Raw: raw, SinceReset: sum(t.SinceReset, delta), Lifetime: sum(t.Lifetime, delta)}, whole
}

// sum saturates, so that a total never goes back.
func sum(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}

func cloneTallies(t Tallies) Tallies {
	if t == nil {
		return Tallies{}
	}
	return maps.Clone(t)
}
