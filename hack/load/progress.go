package load

import (
	"sync"
	"time"
)

// progress counts what completes and keeps the longest time in which nothing
// did.
type progress struct {
	mu      sync.Mutex
	stats   Stats
	last    time.Time
	details []error
}

// Stats is what a writer did so far.
type Stats struct {
	Written, Verified uint64
	// Mismatches is how many blocks read back were not what was written.
	Mismatches uint64
	// Stall is the longest time in which no I/O completed.
	Stall Stall
	// Slowest is how long the slowest I/O took that has completed, of those
	// since it was last forgotten.
	Slowest time.Duration
}

// Stall is a time in which nothing completed.
type Stall struct{ From, To time.Time }

// Length is how long it was.
func (s Stall) Length() time.Duration { return s.To.Sub(s.From) }

// maxDetails bounds how many mismatches are described.
const maxDetails = 8

// done notes that one I/O completed, which began at a time.
func (p *progress) done(began time.Time, count func(*Stats)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.stats.Slowest = max(p.stats.Slowest, now.Sub(began))
	p.stats.Stall = longer(p.stats.Stall, Stall{p.last, now})
	p.last = now
	count(&p.stats)
}

func (p *progress) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Slowest = 0
}

func (p *progress) mismatch(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Mismatches++
	if len(p.details) < maxDetails {
		p.details = append(p.details, err)
	}
}

// now returns the statistics with the time since the last completion.
func (p *progress) now() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Stall = longer(s.Stall, Stall{p.last, time.Now()})
	return s
}

func longer(a, b Stall) Stall {
	if b.Length() > a.Length() {
		return b
	}
	return a
}
