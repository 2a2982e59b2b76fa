package health

import (
	"fmt"
	"time"
)

// Policy says how quick and how strict the judgement is.
type Policy struct {
	// RaiseAfter is for how long a condition must hold before it is reported.
	RaiseAfter time.Duration
	// ClearAfter is for how long a Degraded condition must be absent before
	// its finding goes. Inaccessible ones go at once.
	ClearAfter time.Duration
	// ConnectGrace is for how long after staging began a path that was not up
	// since is not called down yet, unless connecting it failed.
	ConnectGrace time.Duration
	// FlappingEpisodes within FlappingWindow make a path flapping; at most 32,
	// for the ledger keeps no more of them.
	FlappingEpisodes int
	FlappingWindow   time.Duration
	// UnstableEpisodes of a controller within UnstableWindow make its path
	// unstable; at most 32.
	UnstableEpisodes int
	UnstableWindow   time.Duration
}

// maxEpisodes is how many episodes the ledger keeps of a record.
const maxEpisodes = 32

// DefaultPolicy returns the policy of a volume for which nobody set another.
func DefaultPolicy() Policy {
	return Policy{
		ClearAfter:       30 * time.Second,
		ConnectGrace:     15 * time.Second,
		FlappingEpisodes: 3,
		FlappingWindow:   10 * time.Minute,
		UnstableEpisodes: 3,
		UnstableWindow:   10 * time.Minute,
	}
}

// Validate returns an error naming the first field that makes no sense.
func (p Policy) Validate() error {
	for _, f := range []struct {
		name  string
		value time.Duration
		least time.Duration
	}{
		{"RaiseAfter", p.RaiseAfter, 0},
		{"ClearAfter", p.ClearAfter, 0},
		{"ConnectGrace", p.ConnectGrace, 0},
		{"FlappingWindow", p.FlappingWindow, time.Second},
		{"UnstableWindow", p.UnstableWindow, time.Second},
	} {
		if f.value < f.least {
			return fmt.Errorf("%s is %s, must be at least %s", f.name, f.value, f.least)
		}
	}
	for _, f := range []struct {
		name  string
		value int
	}{
		{"FlappingEpisodes", p.FlappingEpisodes},
		{"UnstableEpisodes", p.UnstableEpisodes},
	} {
		if f.value < 1 || f.value > maxEpisodes {
			return fmt.Errorf("%s is %d, must be 1 to %d", f.name, f.value, maxEpisodes)
		}
	}
	return nil
}
