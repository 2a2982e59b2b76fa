package remediation

import (
	"fmt"
	"slices"
	"time"
)

// Step is one thing that can be done about a path set.
type Step string

// The steps, by the names that the API has for them.
const (
	Rescan          Step = "Rescan"
	ResetController Step = "ResetController"
	KickConnection  Step = "KickConnection"
	Reconnect       Step = "Reconnect"
	// Bench takes a path out of use for a while.
	Bench Step = "Bench"
	// ResetCounters is done when a fault is over; it touches no path.
	ResetCounters Step = "ResetCounters"
)

var steps = []Step{Rescan, ResetController, KickConnection, Reconnect, Bench, ResetCounters}

// Threshold is a number of episodes in a time.
type Threshold struct {
	Episodes int
	Window   time.Duration
}

// Policy says what a node does by itself. The zero value: nothing.
type Policy struct {
	// Steps are what may be done, in the order in which it is tried.
	Steps []Step
	// Flapping episodes of a path, or Unstable ones of its controller, make it
	// faulty; the thresholds are those of health.
	Flapping, Unstable Threshold
	// Stabilization is for how long all must be well before a fault is over.
	Stabilization time.Duration
	// BackOff is the time after the first attempt on a controller; it doubles
	// with each further one within Window, up to MaxBackOff.
	BackOff, MaxBackOff time.Duration
	// Attempts is how many a controller may see within Window.
	Attempts int
	Window   time.Duration
	// BenchTime is for how long a path is benched.
	BenchTime time.Duration
}

// DefaultPolicy returns what holds where a policy says nothing else. It does
// nothing.
func DefaultPolicy() Policy {
	return Policy{
		Flapping:      Threshold{Episodes: 3, Window: 10 * time.Minute},
		Unstable:      Threshold{Episodes: 3, Window: 10 * time.Minute},
		Stabilization: 5 * time.Minute,
		BackOff:       time.Minute, MaxBackOff: time.Hour,
		Attempts: 3, Window: time.Hour,
		BenchTime: 10 * time.Minute,
	}
}

// Validate returns an error naming the first field that makes no sense.
func (p Policy) Validate() error {
	for i, s := range p.Steps {
		switch {
		case !slices.Contains(steps, s):
			return fmt.Errorf("there is no step %q", s)
		case slices.Contains(p.Steps[:i], s):
			return fmt.Errorf("step %s is there twice", s)
		case s == ResetCounters && i != len(p.Steps)-1:
			return fmt.Errorf("step %s is not the last", s)
		}
	}
	for _, f := range []struct {
		name  string
		value int64
		least int64
	}{
		{"Flapping.Episodes", int64(p.Flapping.Episodes), 1},
		{"Flapping.Window", int64(p.Flapping.Window), int64(time.Second)},
		{"Unstable.Episodes", int64(p.Unstable.Episodes), 1},
		{"Unstable.Window", int64(p.Unstable.Window), int64(time.Second)},
		{"Stabilization", int64(p.Stabilization), int64(time.Second)},
		{"BackOff", int64(p.BackOff), int64(time.Second)},
		{"MaxBackOff", int64(p.MaxBackOff), int64(p.BackOff)},
		{"Attempts", int64(p.Attempts), 1},
		{"Window", int64(p.Window), int64(time.Second)},
		{"BenchTime", int64(p.BenchTime), int64(time.Second)},
	} {
		if f.value < f.least {
			return fmt.Errorf("%s is %d, must be at least %d", f.name, f.value, f.least)
		}
	}
	return nil
}

// backOff is for how long nothing is tried after the n-th attempt, n >= 1.
func (p Policy) backOff(n int) time.Duration {
	d := p.BackOff
	for range n - 1 {
		if d >= p.MaxBackOff/2 {
			return p.MaxBackOff
		}
		d *= 2
	}
	return min(d, p.MaxBackOff)
}
