package health_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
)

// pace is what a path does in half a minute: so many requests, each so quick, and
// so many segments sent again.
type pace struct {
	requests uint64
	each     time.Duration
	again    uint64
}

// TestPathMarginal: two paths, in one window after the other.
func TestPathMarginal(t *testing.T) {
	const ms = time.Millisecond
	good := pace{1000, ms, 0}
	for name, tc := range map[string]struct {
		second []pace // the first path is always good
		first  []pace
		want   bool
	}{
		"both are good":                  {second: []pace{good, good}},
		"much slower":                    {second: []pace{good, {500, 20 * ms, 0}}, want: true},
		"slower":                         {second: []pace{good, {500, 3 * ms, 0}}},
		"much slower, but quick":         {second: []pace{good, {500, 5 * ms, 0}}},
		"slow as both are":               {first: []pace{{100, 50 * ms, 0}}, second: []pace{{100, 60 * ms, 0}}},
		"slow, with few requests":        {second: []pace{{99, time.Second, 0}}},
		"slow, with enough in the end":   {second: []pace{{50, time.Second, 0}, {50, time.Second, 0}}, want: true},
		"slow, with few for too long":    {second: []pace{{24, time.Second, 0}, {24, time.Second, 0}, {24, time.Second, 0}, {24, time.Second, 0}, {24, time.Second, 0}}},
		"slow, and nothing to compare":   {first: []pace{{99, ms, 0}}, second: []pace{{500, time.Second, 0}}},
		"losing much":                    {second: []pace{{1000, ms, 100}}, want: true},
		"losing little":                  {second: []pace{{1000, ms, 99}}},
		"better, but not good":           {second: []pace{{500, 20 * ms, 0}, {500, 4 * ms, 0}}, want: true},
		"good again":                     {second: []pace{{500, 20 * ms, 0}, good}},
		"losing less, but still":         {second: []pace{{1000, ms, 100}, {1000, ms, 20}}, want: true},
		"bad, and then nearly idle":      {second: []pace{{500, 20 * ms, 0}, {1, ms, 0}}, want: true},
		"bad, and then the other's idle": {first: []pace{good, {}}, second: []pace{{500, 20 * ms, 0}, {500, 20 * ms, 0}}, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := set(live(1), live(2))
			for i := range s.Paths {
				s.Paths[i].Key = s.Paths[i].Address.String()
			}
			policy := health.DefaultPolicy()
			policy.ClearAfter = 0
			var history health.History
			var found []health.Finding
			var done [2]pace
			at := start
			assess := func() {
				for i, p := range done {
					s.Paths[i].IO = &multipath.PathIO{Writes: p.requests, WriteTime: p.each}
					s.Paths[i].Connections = []multipath.Connection{{Retransmitted: p.again}}
				}
				found, history = health.Assess(s, policy, history, at)
				at = at.Add(30 * time.Second)
			}
			assess()
			for i, second := range tc.second {
				first := good
				if i < len(tc.first) {
					first = tc.first[i]
				}
				for j, p := range []pace{first, second} {
					done[j].requests += p.requests
					done[j].each += time.Duration(p.requests) * p.each
					done[j].again += p.again
				}
				assess()
			}
			var want []health.Finding
			if tc.want {
				want = []health.Finding{{Status: health.Degraded, Reason: health.PathMarginal,
					Message: "a path is much slower than the others, or loses much: tcp://192.0.2.2:4420"}}
			}
			if diff := cmp.Diff(want, found); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

// TestMonitorMarginal: whoever acts on it hears of it by the paths' keys.
func TestMonitorMarginal(t *testing.T) {
	m := newMonitor()
	if got := m.Marginal("a"); got != nil {
		t.Errorf("before the first update: %q", got)
	}
	for i, slow := range []time.Duration{0, time.Minute, time.Minute} { // good again in the last window
		s := set(live(1), live(2))
		for j := range s.Paths {
			s.Paths[j].Key = s.Paths[j].Address.String()
			s.Paths[j].IO = &multipath.PathIO{Writes: uint64(1000 * i), WriteTime: time.Duration(i) * time.Second}
		}
		s.Paths[1].IO.WriteTime += slow
		m.Update(snapshot(30*i, s))
		var want []string
		if i == 1 {
			want = []string{"tcp://192.0.2.2:4420"}
		}
		if diff := cmp.Diff(want, m.Marginal("a")); diff != "" {
			t.Errorf("after %d s (-want +got):\n%s", 30*i, diff)
		}
	}
}
