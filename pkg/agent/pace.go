package agent

import (
	"time"

	"golang.org/x/time/rate"
)

const (
	// settle is for how long the counters may run on after a change of state,
	// so that the write after it has all that one cut did.
	settle = time.Second
	// firstInterval and lastInterval bound the time between two writes of
	// counters alone.
	firstInterval = 10 * time.Second
	lastInterval  = 5 * time.Minute
	// stateBurst changes of state are written as they come, and one more every
	// stateInterval: a path that comes and goes all the time is no news.
	stateBurst    = 20
	stateInterval = 3 * time.Second
)

// pace says when a path set may be written.
//
//	a change of state     at once, unless there were too many; then counters
//	                      may follow as soon as they settled
//	counters alone        at once if none were written lately, else 10 s after
//	                      the last time, then 20 s, 40 s, ... 5 min
//
// A port that is down for hours makes reconnects grow on every volume that has
// it. That is one write every five minutes for each of them.
type pace struct {
	interval time.Duration // between counters; zero: back at the start
	from     time.Time     // when counters may be written again
	states   *rate.Limiter
}

func newPace() pace { return pace{states: rate.NewLimiter(rate.Every(stateInterval), stateBurst)} }

// due returns when a change may be written.
func (p *pace) due(c change, now time.Time) time.Time {
	switch lack := 1 - p.states.TokensAt(now); {
	case c == counters && p.from.After(now):
		return p.from
	case c == state && lack > 0:
		return now.Add(time.Duration(lack * float64(stateInterval)))
	}
	return now
}

// wrote notes that a change was written.
func (p *pace) wrote(c change, now time.Time) {
	switch {
	case c == state:
		p.states.AllowN(now, 1)
		p.interval, p.from = 0, now.Add(settle)
		return
	case p.interval == 0 || now.Sub(p.from) >= p.interval: // it was quiet
		p.interval = firstInterval
	default:
		p.interval = min(2*p.interval, lastInterval)
	}
	p.from = now.Add(p.interval)
}
