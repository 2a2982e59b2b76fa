package ledger

import (
	"maps"
	"slices"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
)

// Sample is one reading of a counter set, with all that is needed to judge
// it: a pure value, so that the arithmetic can be tested without a kernel.
type Sample struct {
	At time.Time
	// Epoch is the engine's opaque mark of one life of the counters. A new
	// epoch starts from zero, whatever stood before.
	Epoch    string
	Source   nvme.CounterSource
	Counters nvme.Counters
	// Exact tells whether the source misses nothing while it lives.
	Exact bool
	// Witness is a second account of the same events, nil where there is none.
	Witness *Witness
	// Down tells that the path stopped being usable since the last sample. A
	// sample without an epoch or without counters carries only that.
	Down bool
}

// counts tells whether the sample has counters to merge.
func (s Sample) counts() bool { return s.Epoch != "" && (len(s.Counters) > 0 || s.Witness != nil) }

// Tally is one counter as the ledger keeps it.
type Tally struct {
	// Raw is the source's own value at the last sample.
	Raw uint64 `json:"raw"`
	// SinceReset counts events since the last recorded reset, over every
	// epoch since then.
	SinceReset uint64 `json:"sinceReset"`
	// Lifetime counts every event ever seen: monotonic, a lower bound.
	Lifetime uint64 `json:"lifetime"`
}

// Tallies holds the tallies of a path, a head or a controller. A counter that
// is absent was never supported.
type Tallies map[nvme.Counter]Tally

// Record is all that the ledger knows of one path, head or controller. Its
// maps and slices are never changed in place, so copies may share them.
type Record struct {
	Source  nvme.CounterSource `json:"source,omitempty"`
	Epoch   string             `json:"epoch,omitempty"`
	Tallies Tallies            `json:"tallies,omitempty"`
	// CountedSince is when SinceReset began: the first sample or last reset.
	CountedSince time.Time `json:"countedSince,omitzero"`
	// Exact tells that SinceReset missed nothing: one epoch, one source, no
	// foreign reset. Where it is false the numbers are lower bounds.
	Exact bool `json:"exact"`
	// LastGap is the last sample at which something may have been missed;
	// zero if never.
	LastGap time.Time `json:"lastGap,omitzero"`
	// Witness is what the second account said last, nil if there was none.
	Witness *Attestation `json:"witness,omitempty"`
	// Former are the epochs before this one, the latest first, for one that
	// comes back.
	Former []Former `json:"former,omitempty"`
	// LastSample is when the counters were last read.
	LastSample time.Time `json:"lastSample,omitzero"`
	// Episodes are the beginnings of the latest episodes, oldest first.
	Episodes []time.Time `json:"episodes,omitempty"`
	// LastEvent is when the path last failed over or went down.
	LastEvent time.Time `json:"lastEvent,omitzero"`
	// LastFailover is when the failover count last went up.
	LastFailover time.Time `json:"lastFailover,omitzero"`
}

// clone returns a copy that shares nothing with r.
func (r Record) clone() Record {
	r.Tallies = maps.Clone(r.Tallies)
	r.Episodes = slices.Clone(r.Episodes)
	return r
}

// seen is when the record last learned anything.
func (r Record) seen() time.Time {
	if r.LastEvent.After(r.LastSample) {
		return r.LastEvent
	}
	return r.LastSample
}

// Reset is the record of one reset of a volume's counters.
type Reset struct {
	ID string `json:"id"`
	// By is who asked, Reason why, both as given by the caller.
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
	// Request is the caller's own name for it, if there was one.
	Request string `json:"request,omitempty"`
	// Before holds the tallies as they were, of exactly the records that were
	// reset: per path (by its transport ID) and for the head under HeadKey.
	Before map[string]Tallies `json:"before"`
	// After holds the tallies of the same records right after: since-reset is
	// what was counted within that moment. Resets recorded before 2026-11-22
	// have none.
	After map[string]Tallies `json:"after,omitempty"`
	// Recovered tells that Braid died or failed between the reset's intent and
	// its end, and that a later sample showed that the kernel's counters had
	// been zeroed.
	Recovered bool `json:"recovered,omitempty"`
}

func (r Reset) clone() Reset {
	r.Before, r.After = cloneAll(r.Before), cloneAll(r.After)
	return r
}

func cloneAll(all map[string]Tallies) map[string]Tallies {
	if all == nil {
		return nil
	}
	out := make(map[string]Tallies, len(all))
	for k, t := range all {
		out[k] = maps.Clone(t)
	}
	return out
}

// HeadKey is the key of the head among a volume's records.
const HeadKey = "head"

// stamp makes a time fit to be stored: UTC, without a monotonic reading.
func stamp(t time.Time) time.Time { return t.UTC().Round(0) }

// Former is an epoch that a record has left.
type Former struct {
	Epoch string `json:"epoch"`
	// Raw are the source's values when the epoch was left.
	Raw map[nvme.Counter]uint64 `json:"raw"`
}
