package health

import (
	"slices"
	"time"

	"github.com/braid-csi/braid/pkg/multipath"
)

// A path is marginal if it is much worse than the best of the others, over a
// time and with enough requests on both for that to be no accident. It stays so
// until it is clearly better again.
//
// 2026-11-23: the kernel's queue-depth policy gives a slow path few requests, so
// the window goes on until they are enough, up to a limit.
const (
	qualityWindow, longestWindow = 30 * time.Second, 2 * time.Minute
	leastRequests                = 100
	// muchSlower times the best mean latency makes a path marginal, if that is
	// also worth mentioning; slower times it keeps it so.
	muchSlower, slower = 4, 2
	mentionable        = 5 * time.Millisecond
	// muchLost segments sent again for each 100 requests make it marginal, lost
	// ones keep it so.
	muchLost, lost = 10, 2
)

// quality is how well the paths of a set did in the last window, and where they
// stood when the present one began. It is never changed.
type quality struct {
	since    time.Time
	begin    []standing
	marginal []string // keys
}

// standing is what a path had done at a moment.
type standing struct {
	key      string
	requests uint64
	spent    time.Duration
	again    uint64 // segments sent again
}

// standings are those of the usable paths of which it is known.
func standings(set *multipath.PathSet) []standing {
	var all []standing
	for i := range set.Paths {
		p := &set.Paths[i]
		if !p.Usable() || p.IO == nil {
			continue
		}
		s := standing{key: p.Key, requests: p.IO.Completed(), spent: p.IO.ReadTime + p.IO.WriteTime}
		for _, c := range p.Connections {
			s.again += c.Retransmitted
		}
		all = append(all, s)
	}
	return all
}

// next carries the quality on to now.
func (q *quality) next(set *multipath.PathSet, now time.Time) *quality {
	if q == nil || q.since.After(now) || now.Sub(q.since) > longestWindow+qualityWindow { // nobody looked for long
		return &quality{since: now, begin: standings(set)}
	}
	age := now.Sub(q.since)
	if age < qualityWindow {
		return q
	}
	n := &quality{since: now, begin: standings(set)}
	all := window(q.begin, n.begin)
	if age < longestWindow && slices.ContainsFunc(all, standing.few) {
		return q
	}
	for i, s := range all {
		if s.marginal(all, i, slices.Contains(q.marginal, s.key)) {
			n.marginal = append(n.marginal, s.key)
		}
	}
	return n
}

// window is what each path did between two moments. One that began anew
// meanwhile is left out.
func window(from, to []standing) []standing {
	var all []standing
	for _, s := range to {
		i := slices.IndexFunc(from, func(f standing) bool { return f.key == s.key })
		if i < 0 || s.requests < from[i].requests || s.spent < from[i].spent || s.again < from[i].again {
			continue
		}
		all = append(all, standing{s.key, s.requests - from[i].requests, s.spent - from[i].spent, s.again - from[i].again})
	}
	return all
}

// few tells whether there are requests, but not enough to judge by.
func (s standing) few() bool { return s.requests > 0 && s.requests < leastRequests }

// mean is how long a request took; there must be some.
func (s standing) mean() time.Duration { return s.spent / time.Duration(s.requests) }

// marginal judges the i-th path against the best of the others. Where too little
// was done to tell, what was so is so.
func (s standing) marginal(all []standing, i int, was bool) bool {
	if s.requests < leastRequests {
		return was
	}
	best := time.Duration(-1)
	for j, other := range all {
		if j != i && other.requests >= leastRequests && (best < 0 || other.mean() < best) {
			best = other.mean()
		}
	}
	if best < 0 {
		return was
	}
	again := 100 * s.again / s.requests
	if was {
		return s.mean() >= slower*best && s.mean()-best >= mentionable/2 || again >= lost
	}
	return s.mean() >= muchSlower*best && s.mean()-best >= mentionable || again >= muchLost
}

// judgeQuality finds the usable paths that are marginal.
func judgeQuality(set *multipath.PathSet, q *quality) judgement {
	var bad []*multipath.Path
	for i := range set.Paths {
		if p := &set.Paths[i]; p.Usable() && slices.Contains(q.marginal, p.Key) {
			bad = append(bad, p)
		}
	}
	return judgement{verdictOf(len(bad) > 0), qualityMessage(bad)}
}
