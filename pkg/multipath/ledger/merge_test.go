package ledger

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/nvme"
)

// noon is when the tests begin; at gives a time in seconds after it.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

// sample is one exact reading of the failover counter, in epoch "a".
func sample(seconds int, raw uint64) Sample {
	return Sample{
		At: at(seconds), Epoch: "a", Source: nvme.SourceKernelAttribute, Exact: true,
		Counters: nvme.Counters{nvme.Failovers: raw},
	}
}

func with(s Sample, change func(*Sample)) Sample {
	change(&s)
	return s
}

func TestMergeCounts(t *testing.T) {
	type want struct {
		tally     Tally
		since     int // seconds of CountedSince
		gap       int // seconds of LastGap, 0 for none
		failover  int // seconds of LastFailover, 0 for none
		unchanged bool
	}
	epochB := func(s *Sample) { s.Epoch = "b" }
	sourceB := func(s *Sample) { s.Source, s.Epoch = "Other", "b" }
	tests := map[string]struct {
		samples []Sample
		want    want
	}{
		"first": {
			[]Sample{sample(1, 7)},
			want{tally: Tally{7, 7, 7}, since: 1},
		},
		"first, inexact source": {
			[]Sample{with(sample(1, 7), func(s *Sample) { s.Exact = false })},
			want{tally: Tally{7, 7, 7}, since: 1, gap: 1},
		},
		"up": {
			[]Sample{sample(1, 7), sample(2, 12)},
			want{tally: Tally{12, 12, 12}, since: 1, failover: 2},
		},
		"same": {
			[]Sample{sample(1, 7), sample(2, 7)},
			want{tally: Tally{7, 7, 7}, since: 1, unchanged: true},
		},
		"source becomes inexact": {
			[]Sample{sample(1, 7), with(sample(2, 8), func(s *Sample) { s.Exact = false }), sample(3, 8)},
			want{tally: Tally{8, 8, 8}, since: 1, gap: 2, failover: 2, unchanged: true},
		},
		"foreign reset": {
			[]Sample{sample(1, 7), sample(2, 0)},
			want{tally: Tally{0, 7, 7}, since: 1, gap: 2},
		},
		"foreign reset and counting": {
			[]Sample{sample(1, 7), sample(2, 3), sample(3, 4)},
			want{tally: Tally{4, 11, 11}, since: 1, gap: 2, failover: 3},
		},
		"new epoch, lower": {
			[]Sample{sample(1, 7), with(sample(2, 3), epochB)},
			want{tally: Tally{3, 10, 10}, since: 1, gap: 2, failover: 2},
		},
		"new epoch, higher": {
			[]Sample{sample(1, 7), with(sample(2, 9), epochB)},
			want{tally: Tally{9, 16, 16}, since: 1, gap: 2, failover: 2},
		},
		"new epoch, nothing counted": {
			[]Sample{sample(1, 7), with(sample(2, 0), epochB)},
			want{tally: Tally{0, 7, 7}, since: 1, gap: 2},
		},
		"two epochs by turns": {
			[]Sample{
				sample(1, 100), with(sample(2, 3), epochB), sample(3, 100), with(sample(4, 3), epochB),
				sample(5, 102), with(sample(6, 3), epochB),
			},
			want{tally: Tally{3, 105, 105}, since: 1, gap: 6, failover: 5},
		},
		"new source": {
			[]Sample{sample(1, 7), with(sample(2, 9), sourceB), with(sample(3, 10), sourceB)},
			want{tally: Tally{10, 8, 8}, since: 1, gap: 2, failover: 3},
		},
		"counter disappears": {
			[]Sample{sample(1, 7), with(sample(2, 0), func(s *Sample) { s.Counters = nvme.Counters{nvme.Retries: 0} })},
			want{tally: Tally{7, 7, 7}, since: 1, gap: 2},
		},
		"no counters": {
			[]Sample{sample(1, 7), {At: at(2), Epoch: "b"}, {At: at(3), Counters: nvme.Counters{nvme.Failovers: 9}}},
			want{tally: Tally{7, 7, 7}, since: 1, unchanged: true},
		},
		"foreign write of the largest number saturates": {
			[]Sample{sample(1, 7), sample(2, 2), sample(3, math.MaxUint64)},
			want{tally: Tally{math.MaxUint64, math.MaxUint64, math.MaxUint64}, since: 1, gap: 2, failover: 3},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var r Record
			var changed bool
			for _, s := range tt.samples {
				r, changed = merge(r, s, DefaultQuietTime)
			}
			seconds := func(t time.Time) int {
				if t.IsZero() {
					return 0
				}
				return int(t.Sub(noon) / time.Second)
			}
			got := want{
				tally: r.Tallies[nvme.Failovers], since: seconds(r.CountedSince),
				gap: seconds(r.LastGap), failover: seconds(r.LastFailover), unchanged: !changed,
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(want{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if exact := tt.want.gap == 0; r.Exact != exact {
				t.Errorf("Exact = %t, want %t", r.Exact, exact)
			}
		})
	}
}

// Linux reads nr_reconnects twice for a moment when a reconnect succeeds.
func TestMergeReconnectsReadDouble(t *testing.T) {
	var r Record
	for i, step := range []struct{ raw, want uint64 }{
		{5, 5},
		{10, 10}, // the slip: 5 too many, and nobody can know yet
		{5, 10},  // back to the truth
		{8, 10},  // 3 more: 2 short of what was counted too early
		{11, 11}, // past it
		{5, 16},  // less than half: somebody did reset it
	} {
		s := with(sample(i, 0), func(s *Sample) { s.Counters = nvme.Counters{nvme.Reconnects: step.raw} })
		r, _ = merge(r, s, DefaultQuietTime)
		if got := r.Tallies[nvme.Reconnects].Lifetime; got != step.want {
			t.Errorf("step %d: lifetime after reading %d = %d, want %d", i, step.raw, got, step.want)
		}
	}
	if r.Exact {
		t.Error("exact after a foreign reset")
	}
}

// merge is pure: a record that was handed out does not change.
func TestMergeLeavesItsArgument(t *testing.T) {
	r, _ := merge(Record{}, sample(0, 1), DefaultQuietTime)
	r, _ = merge(r, sample(20, 2), DefaultQuietTime)
	before := r.clone()
	merge(r, sample(40, 3), DefaultQuietTime)
	rebase(r, sample(40, 0), at(39), DefaultQuietTime)
	if diff := cmp.Diff(before, r); diff != "" {
		t.Errorf("record changed (-before +after):\n%s", diff)
	}
}
