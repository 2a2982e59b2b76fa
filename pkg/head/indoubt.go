package head

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// InDoubt is a range that a lost write may still change: the write was sent,
// its association ended without an answer, and until a certain time the target
// may execute it yet.
type InDoubt struct {
	// Start and Blocks are in logical blocks.
	Start  uint64 `json:"start"`
	Blocks uint64 `json:"blocks"`
	// Until is when it is over. In JSON it is a time of the wall clock, so who
	// reads it on another machine, or after the clock was set, must add to it.
	Until time.Time `json:"until"`
}

const (
	// maxInDoubt bounds the table. A queue of 128 entries that is lost makes
	// 128 ranges at most.
	maxInDoubt = 1024
	// inDoubtGrain is what the end of a window is rounded up to, so that the
	// ranges of one loss end together and can be coalesced.
	inDoubtGrain = 100 * time.Millisecond
)

// doubts is the table of the ranges in doubt. Each belongs to the request that
// was lost, as long as that is on its way: it may write there, others wait.
//
//	           lost                       completed to its caller
//	request ---------> range, its own -----------------------------> range,
//	   ^                  |      ^                                   nobody's
//	   | retried at once  |      | lost again:                          |
//	   +------------------+      | until later                          | its time
//	                             +--- retry                             v  passes
//	                                                                  gone
type doubts struct {
	limit int
	base  time.Time // untils count from here, on the monotonic clock
	// count is the number of ranges, to be read without the lock.
	count atomic.Int64

	mu     sync.Mutex
	ranges []doubt // ordered by start; they may overlap
}

type doubt struct {
	start, end uint64
	until      time.Duration
	owner      *Request
}

func newDoubts() *doubts { return &doubts{limit: maxInDoubt, base: time.Now()} }

// any tells whether anything is in doubt. It is one atomic load.
func (d *doubts) any() bool { return d.count.Load() != 0 }

// mark puts a range in doubt until a time, on behalf of the request that was
// lost, nil for none. What the request had in doubt before is extended.
func (d *doubts) mark(owner *Request, start, blocks uint64, until time.Time) {
	m := doubt{start: start, end: max(start+blocks, start), until: d.roundUp(until), owner: owner}
	if m.start == m.end {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if owner != nil {
		for i := range d.ranges {
			if r := &d.ranges[i]; r.owner == owner {
				r.until = max(r.until, m.until)
				return
			}
		}
	}
	at, _ := slices.BinarySearchFunc(d.ranges, m.start, func(r doubt, start uint64) int { return cmp.Compare(r.start, start) })
	d.ranges = slices.Insert(d.ranges, at, m)
	d.settle()
}

// disown is called when the request is done with: from now on it is a later
// one like all others.
func (d *doubts) disown(owner *Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.ranges {
		if d.ranges[i].owner == owner {
			d.ranges[i].owner = nil
		}
	}
	d.settle()
}

// until is when a request may change a range: the zero time if it may now.
func (d *doubts) until(r *Request, start, blocks uint64, now time.Time) time.Time {
	elapsed, end, latest := now.Sub(d.base), max(start+blocks, start), time.Duration(0)
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.ranges {
		m := &d.ranges[i]
		if m.start >= end {
			break
		}
		if m.end > start && m.until > elapsed && m.until > latest && (m.owner == nil || m.owner != r) {
			latest = m.until
		}
	}
	if latest == 0 {
		return time.Time{}
	}
	return d.base.Add(latest)
}

// expire drops what is over, and returns when the next range will be, the zero
// time if there is none.
func (d *doubts) expire(now time.Time) time.Time {
	elapsed := now.Sub(d.base)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ranges = slices.DeleteFunc(d.ranges, func(m doubt) bool { return m.until <= elapsed })
	d.count.Store(int64(len(d.ranges)))
	if len(d.ranges) == 0 {
		return time.Time{}
	}
	first := slices.MinFunc(d.ranges, func(a, b doubt) int { return cmp.Compare(a.until, b.until) })
	return d.base.Add(first.until)
}

// list returns what is in doubt.
func (d *doubts) list(now time.Time) []InDoubt {
	elapsed := now.Sub(d.base)
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []InDoubt
	for _, m := range d.ranges {
		if m.until > elapsed {
			list = append(list, InDoubt{Start: m.start, Blocks: m.end - m.start, Until: d.base.Add(m.until)})
		}
	}
	return list
}

// settle coalesces what is nobody's, ends together and touches, and widens
// ranges while there are too many. The lock is held.
func (d *doubts) settle() {
	last := -1 // the last of nobody's, in kept
	kept := d.ranges[:0]
	for _, m := range d.ranges {
		if m.owner == nil && last >= 0 && kept[last].until == m.until && m.start <= kept[last].end {
			kept[last].end = max(kept[last].end, m.end)
			continue
		}
		kept = append(kept, m)
		if m.owner == nil {
			last = len(kept) - 1
		}
	}
	clear(d.ranges[len(kept):]) // the requests are not ours to keep
	d.ranges = kept
	for len(d.ranges) > d.limit {
		d.widen()
	}
	d.count.Store(int64(len(d.ranges)))
}

// widen makes one range of the two that are closest, with what is between: too
// much waits, but nothing that must. Even the owners wait for such a range.
func (d *doubts) widen() {
	best, gap := 1, ^uint64(0)
	for i := 1; i < len(d.ranges); i++ {
		before, r := d.ranges[i-1], d.ranges[i]
		if g := r.start - min(r.start, before.end); g < gap {
			best, gap = i, g
		}
	}
	a, b := &d.ranges[best-1], d.ranges[best]
	a.end, a.until, a.owner = max(a.end, b.end), max(a.until, b.until), nil
	d.ranges = slices.Delete(d.ranges, best, best+1)
}

func (d *doubts) roundUp(t time.Time) time.Duration {
	return (t.Sub(d.base) + inDoubtGrain - 1).Truncate(inDoubtGrain)
}
