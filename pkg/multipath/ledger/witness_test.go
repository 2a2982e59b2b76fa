package ledger

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/nvme"
)

// both is a reading of the attribute in an epoch, with a witness of epoch "w".
func both(seconds int, epoch string, attribute, witness uint64) Sample {
	return with(sample(seconds, attribute), func(s *Sample) {
		s.Epoch, s.Source = epoch, nvme.SourceBoth
		s.Witness = &Witness{Epoch: "w", Counters: nvme.Counters{nvme.Failovers: witness}, Exact: true}
	})
}

func TestWitness(t *testing.T) {
	restarted := func(s *Sample) { s.Witness.Epoch = "w2" }
	gone := func(s *Sample) { s.Counters = nil } // a last word about a path that is gone
	for name, tc := range map[string]struct {
		samples []Sample
		want    uint64 // of the lifetime
		inexact bool
	}{
		"the first account tells what was before": {samples: []Sample{both(1, "a", 100, 7)}, want: 100},
		"both alike": {samples: []Sample{both(1, "a", 100, 7), both(2, "a", 105, 12)}, want: 105},
		"the witness is ahead, and the other catches up": {samples: []Sample{both(1, "a", 0, 0), both(2, "a", 3, 5), both(3, "a", 5, 5)}, want: 5},
		"the witness is behind, and catches up":          {samples: []Sample{both(1, "a", 0, 0), both(2, "a", 5, 3), both(3, "a", 5, 5)}, want: 5},
		"a foreign reset is seen through":                {samples: []Sample{both(1, "a", 10, 0), both(2, "a", 2, 6)}, want: 16},
		"a foreign reset that has caught up is too":      {samples: []Sample{both(1, "a", 4, 0), both(2, "a", 4, 4)}, want: 8},
		"what failed over while the path was removed": {
			samples: []Sample{both(1, "a", 0, 0), with(both(2, "a", 0, 4), gone), both(3, "b", 0, 0), both(4, "b", 1, 1)}, want: 5},
		"a new life": {samples: []Sample{both(1, "a", 3, 3), both(2, "b", 2, 2)}, want: 5},
		"a new life, of which the witness saw more": {samples: []Sample{both(1, "a", 3, 3), both(2, "b", 2, 6)}, want: 9},
		"a former life comes back":                  {samples: []Sample{both(1, "a", 3, 0), both(2, "b", 2, 2), both(3, "a", 4, 1)}, want: 6, inexact: true},
		"the witness is lost and comes back": {
			samples: []Sample{both(1, "a", 0, 0), both(2, "a", 2, 2), with(both(3, "a", 9, 5), restarted), with(both(4, "a", 9, 6), restarted)}, want: 10},
		"it goes while it is ahead": {
			samples: []Sample{both(1, "a", 0, 0), both(2, "a", 2, 3), sample(3, 3), sample(4, 7)}, want: 7},
		"it comes late":             {samples: []Sample{sample(1, 5), both(2, "a", 6, 1), both(3, "a", 7, 2)}, want: 7},
		"numbers beyond all bounds": {samples: []Sample{both(1, "a", 0, 0), both(2, "a", 1<<63, 1), both(3, "a", 1<<63, 2)}, want: 1 << 63},
	} {
		t.Run(name, func(t *testing.T) {
			var r Record
			for _, s := range tc.samples {
				r, _ = merge(r, s, DefaultQuietTime)
			}
			if got := r.Tallies[nvme.Failovers].Lifetime; got != tc.want {
				t.Errorf("lifetime %d, want %d", got, tc.want)
			}
			if r.Exact == tc.inexact {
				t.Errorf("exact is %t", r.Exact)
			}
		})
	}
}

// TestWitnessBounds plays what may happen at random: whatever the two accounts
// miss, totals never go back and never exceed the truth, and while the witness
// is there nothing is missing.
func TestWitnessBounds(t *testing.T) {
	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 0))
		var r Record
		var truth, attribute, witness, last uint64
		life, epoch, heard := 0, 0, false
		r, _ = merge(r, both(0, "life 0", 0, 0), DefaultQuietTime)
		r.Witness.Epoch = "witness 0"
		script := ""
		for second := 1; second < 40; second++ {
			n := random.Uint64N(4)
			truth, attribute, witness = truth+n, attribute+n, witness+n
			script += fmt.Sprintf(" +%d", n)
			switch random.IntN(12) {
			case 0: // a foreign reset
				attribute = 0
				script += " reset"
			case 1: // the path goes, and comes back
				r, _ = merge(r, with(both(second, r.Epoch, 0, witness), func(s *Sample) { s.Counters = nil; s.Witness.Epoch = fmt.Sprintf("witness %d", epoch) }), DefaultQuietTime)
				life++
				attribute, witness = 0, 0
				script += " anew"
			case 2: // Braid restarts, and its program with it
				epoch++
				witness = 0
				script += " restart"
				heard = true
			}
			s := both(second, fmt.Sprintf("life %d", life), attribute, 0)
			if late := random.Uint64N(2); late > 0 { // something happens between the two readings
				truth, attribute, witness = truth+late, attribute+late, witness+late
			}
			s.Witness = &Witness{Epoch: fmt.Sprintf("witness %d", epoch), Counters: nvme.Counters{nvme.Failovers: witness}, Exact: true}
			r, _ = merge(r, s, DefaultQuietTime)
			got := r.Tallies[nvme.Failovers].Lifetime
			if got < last || got > truth || !heard && got != truth {
				t.Fatalf("seed %d, after%s: total %d, %d before, %d happened", seed, script, got, last, truth)
			}
			last = got
		}
	}
}

// TestWitnessUnchanged: what says nothing new is not written.
func TestWitnessUnchanged(t *testing.T) {
	r, _ := merge(Record{}, both(1, "a", 3, 3), DefaultQuietTime)
	again, changed := merge(r, both(2, "a", 3, 3), DefaultQuietTime)
	r.LastSample = again.LastSample
	if diff := cmp.Diff(r, again); diff != "" || changed {
		t.Errorf("changed %t:\n%s", changed, diff)
	}
	if _, changed := merge(r, with(both(3, "a", 3, 3), func(s *Sample) { s.Witness.Epoch = "w2" }), DefaultQuietTime); !changed {
		t.Error("another witness, and nothing changed")
	}
}

// TestResetOfBPF: nothing is written, the baseline alone moves.
func TestResetOfBPF(t *testing.T) {
	reading := func(seconds int, n uint64) Sample {
		return with(sample(seconds, n), func(s *Sample) { s.Source = nvme.SourceBPF })
	}
	r, _ := merge(Record{}, reading(1, 7), DefaultQuietTime)
	r = rebase(r, reading(2, 9), at(2), DefaultQuietTime)
	r, _ = merge(r, reading(3, 10), DefaultQuietTime)
	if got, want := r.Tallies[nvme.Failovers], (Tally{Raw: 10, SinceReset: 3, Lifetime: 10}); got != want || !r.Exact {
		t.Errorf("got %+v, exact %t; want %+v, exact", got, r.Exact, want)
	}
	if some, all := fell(r, reading(4, 10)); some || !all {
		t.Errorf("fell: some %t, all %t; a reset of it leaves no trace and no gap", some, all)
	}
}
