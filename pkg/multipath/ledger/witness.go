package ledger

import (
	"maps"

	"github.com/braid-csi/braid/pkg/nvme"
)

// Witness is a second account of the events that a sample's counters count,
// read after them. It survives what the first one does not: nobody can reset
// it, and it counts while a path is being removed.
type Witness struct {
	// Epoch is the engine's opaque mark of the time since when it counts. In one
	// epoch it misses no life of the path.
	Epoch string
	// Counters are its values for the sample's epoch.
	Counters nvme.Counters
	// Exact tells whether it misses nothing.
	Exact bool
}

// Attestation is what a record remembers of a witness.
type Attestation struct {
	Epoch string `json:"epoch"`
	// Raw are its values at the last sample.
	Raw map[nvme.Counter]uint64 `json:"raw,omitempty"`
	// Lead is how much more it has told than the first account; negative: less.
	Lead map[nvme.Counter]int64 `json:"lead,omitempty"`
}

// attests tells whether the record's witness has seen all that happened to a
// counter since the sample before, so that nothing is missing whatever became of
// the first account.
func (r Record) attests(s Sample, c nvme.Counter) bool {
	if !r.witnessed(s) || !s.Witness.Exact {
		return false
	}
	_, ok := s.Witness.Counters[c]
	return ok
}

// witnessed tells whether the sample's witness is the record's, and goes on.
func (r Record) witnessed(s Sample) bool {
	return r.Witness != nil && s.Witness != nil && r.Witness.Epoch == s.Witness.Epoch &&
		// Of an epoch that comes back it is not known how far it was told.
		(r.Epoch == s.Epoch || r.former(s.Epoch) == nil)
}

// hear returns the record r, to which a sample's counters were added, with what
// the witness has to add to that, and whether anything changed. The totals
// become the better of the two accounts:
//
//	total = max(first, witness) = first + max(0, lead)
//
// where both count from when the witness was first heard. What one has told the
// other may tell later: then its lead shrinks, and the total stands. A witness
// that goes leaves its lead behind, since the first account may be about to tell
// the same.
func hear(before, r Record, s Sample) (_ Record, changed bool) {
	if before.Witness == nil && s.Witness == nil {
		return r, false
	}
	goesOn := before.witnessed(s)
	next := &Attestation{Lead: map[nvme.Counter]int64{}}
	var was Attestation
	if before.Witness != nil {
		was = *before.Witness
	}
	if s.Witness != nil {
		next.Epoch, next.Raw = s.Witness.Epoch, s.Witness.Counters
	}
	tallies := cloneTallies(r.Tallies)
	for _, c := range witnessedCounters(was, next) {
		lead := was.Lead[c]
		ahead := lead - signed(r.Tallies[c].Lifetime-before.Tallies[c].Lifetime)
		switch {
		case !goesOn: // it begins: what it has, the first account tells
			ahead = max(ahead, 0)
		case before.Epoch == s.Epoch:
			ahead += signed(next.Raw[c] - min(next.Raw[c], was.Raw[c]))
		default: // a new life, from 0
			ahead += signed(next.Raw[c])
		}
		tallies[c] = tallies[c].plus(max(ahead, 0) - max(lead, 0))
		if ahead = min(max(ahead, -maxLead), maxLead); ahead != 0 {
			next.Lead[c] = ahead
		}
	}
	r.Witness = next
	if s.Witness == nil && len(next.Lead) == 0 {
		r.Witness = nil
	}
	changed = was.Epoch != next.Epoch || !maps.Equal(was.Raw, next.Raw) || !maps.Equal(was.Lead, next.Lead) ||
		!maps.Equal(tallies, r.Tallies)
	r.Tallies = tallies
	return r, changed
}

// witnessedCounters are those that either knows.
func witnessedCounters(was Attestation, next *Attestation) []nvme.Counter {
	var all []nvme.Counter
	for c := range next.Raw {
		all = append(all, c)
	}
	for c := range was.Lead {
		if _, ok := next.Raw[c]; !ok {
			all = append(all, c)
		}
	}
	return all
}

// maxLead bounds leads: counters can be set to any number.
const maxLead = 1 << 61

func signed(n uint64) int64 { return int64(min(n, maxLead)) }

// plus returns the tally with more counted, or with less where that has been
// counted already.
func (t Tally) plus(n int64) Tally {
	if n < 0 {
		t.SinceReset -= min(t.SinceReset, uint64(-n))
		t.Lifetime -= min(t.Lifetime, uint64(-n))
		return t
	}
	t.SinceReset, t.Lifetime = sum(t.SinceReset, uint64(n)), sum(t.Lifetime, uint64(n))
	return t
}
