package agent

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// play lets changes of each kind come at the seconds given, looks twice a
// second whether what has changed may be written, and returns at which seconds
// it was. After until seconds it ends.
func play(until float64, states, counts func(second float64) bool) (written []float64) {
	p, waiting := newPace(), nothing
	for second := 0.0; second <= until; second += 0.5 {
		switch {
		case states(second):
			waiting = state
		case counts(second) && waiting == nothing:
			waiting = counters
		}
		if now := after(second); waiting != nothing && !p.due(waiting, now).After(now) {
			p.wrote(waiting, now)
			written, waiting = append(written, second), nothing
		}
	}
	return written
}

func never(float64) bool  { return false }
func always(float64) bool { return true }

func at(seconds ...float64) func(float64) bool {
	return func(second float64) bool {
		for _, s := range seconds {
			if s == second {
				return true
			}
		}
		return false
	}
}

func TestPace(t *testing.T) {
	for _, tc := range []struct {
		name           string
		until          float64
		states, counts func(float64) bool
		want           []float64
	}{
		{"nothing changes", 100, never, never, nil},
		{"one counter, once", 100, never, at(3), []float64{3}},
		{"counters that never rest", 700, never, always, []float64{0, 10, 30, 70, 150, 310, 610}},
		{"now and then", 400, never, at(0, 5, 100, 300), []float64{0, 10, 100, 300}},
		{"a cut: its counts follow as soon as they settled", 60, at(5), func(s float64) bool { return s >= 5 && s < 8 }, []float64{5, 6, 16}},
		{"a change of state is never held up by counters", 80, at(0, 12.5, 13), always, []float64{0, 1, 11, 12.5, 13, 14, 24, 44}},
		{"back at the start after a change of state", 400, at(300), always, []float64{0, 10, 30, 70, 150, 300, 301, 311, 331, 371}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, play(tc.until, tc.states, tc.counts)); diff != "" {
				t.Errorf("written at (-want +got):\n%s", diff)
			}
		})
	}
}

// TestPaceOverHours bounds what the API server has to bear: a port that is
// down, and a path that comes and goes.
func TestPaceOverHours(t *testing.T) {
	const hour = 3600
	if n := len(play(8*hour, at(0), always)); n > 8*12+10 {
		t.Errorf("a port that was down for 8 hours cost %d writes, want one in 5 minutes", n)
	}
	if n := len(play(hour, always, always)); n > hour/int(stateInterval/time.Second)+stateBurst+1 {
		t.Errorf("a state that changed twice a second for an hour cost %d writes", n)
	}
}
