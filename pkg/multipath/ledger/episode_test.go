package ledger

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/nvme"
)

func TestEpisodes(t *testing.T) {
	down := func(seconds int) Sample { return Sample{At: at(seconds), Down: true} }
	resets := func(seconds int, n uint64) Sample {
		return with(sample(seconds, 0), func(s *Sample) { s.Counters = nvme.Counters{nvme.Resets: n, nvme.Reconnects: 7 * n} })
	}
	tests := map[string]struct {
		samples []Sample
		want    []time.Time
	}{
		"counted before Braid looked":       {[]Sample{sample(0, 9)}, nil},
		"one failover":                      {[]Sample{sample(0, 0), sample(1, 1)}, []time.Time{at(1)}},
		"down without a failover":           {[]Sample{sample(0, 0), down(1)}, []time.Time{at(1)}},
		"one cut, seen by several samples":  {[]Sample{sample(0, 0), sample(1, 12), down(2), sample(3, 128)}, []time.Time{at(1)}},
		"quiet time runs from last event":   {[]Sample{down(1), down(8), down(15), down(24)}, []time.Time{at(1)}},
		"quiet in between":                  {[]Sample{down(1), down(11), down(30)}, []time.Time{at(1), at(11), at(30)}},
		"quiet samples do not end an event": {[]Sample{sample(0, 0), sample(1, 1), sample(6, 1), sample(10, 2)}, []time.Time{at(1)}},
		"clock set back far":                {[]Sample{down(10), down(100_000), down(50)}, []time.Time{at(10), at(50)}},
		"clock set back a little":           {[]Sample{down(10), down(8)}, []time.Time{at(10)}},
		"a controller was reset":            {[]Sample{resets(0, 1), resets(1, 2), resets(2, 2)}, []time.Time{at(1)}},
		"reboot with failovers":             {[]Sample{sample(0, 5), with(sample(90, 2), func(s *Sample) { s.Epoch = "b" })}, []time.Time{at(90)}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var r Record
			for _, s := range tt.samples {
				r, _ = merge(r, s, DefaultQuietTime)
			}
			if diff := cmp.Diff(tt.want, r.Episodes); diff != "" {
				t.Errorf("episodes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEpisodesSince(t *testing.T) {
	var r Record
	for i := range 100 {
		r = event(r, at(60*i), DefaultQuietTime)
	}
	for from, want := range map[int]int{0: maxEpisodes, 60 * 99: 1, 60*98 + 1: 1, 60 * 90: 10, 60 * 100: 0} {
		if got := r.EpisodesSince(at(from)); got != want {
			t.Errorf("since %d s: %d episodes, want %d", from, got, want)
		}
	}
}
