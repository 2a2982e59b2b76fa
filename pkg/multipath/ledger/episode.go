package ledger

import (
	"slices"
	"time"
)

const (
	// DefaultQuietTime is how long a path must be without events before the
	// next event begins a new episode.
	DefaultQuietTime = 10 * time.Second
	// maxEpisodes is how many beginnings a record keeps, the latest.
	maxEpisodes = 32
)

// event returns the record after an event: a failover, the loss of the path or
// the reset of a controller.
// One cut of a cable at queue depth 128 is 128 failovers, spread over several
// samples, but one episode. The quiet time runs from the last event, so a path
// that never rests has one episode however long it lasts.
func event(r Record, at time.Time, quiet time.Duration) Record {
	at = stamp(at)
	// The distance is absolute, and beginnings in the future are dropped: a
	// clock that was set back must not hide events until it has caught up.
	if r.LastEvent.IsZero() || at.Sub(r.LastEvent).Abs() >= quiet {
		past := slices.DeleteFunc(slices.Clone(r.Episodes), at.Before)
		past = append(past, at)
		r.Episodes = past[max(0, len(past)-maxEpisodes):]
	}
	r.LastEvent = at
	return r
}

// EpisodesSince counts the episodes that began at t or later. The ledger keeps
// 32 per record, so 32 means "at least 32".
func (r Record) EpisodesSince(t time.Time) int {
	n := 0
	for _, began := range r.Episodes {
		if !began.Before(t) {
			n++
		}
	}
	return n
}
