package ledger

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/nvme"
)

func TestControllerSinceBaseline(t *testing.T) {
	record := func(lifetime uint64, since, gap time.Time) Record {
		return Record{
			Tallies:      Tallies{nvme.Resets: {Raw: 1, SinceReset: lifetime, Lifetime: lifetime}},
			CountedSince: since, LastGap: gap, Exact: gap.IsZero(),
		}
	}
	type view struct {
		SinceReset, Lifetime uint64
		CountedSince         time.Time
		Exact                bool
	}
	noted := baseline{At: at(60), Lifetime: map[nvme.Counter]uint64{nvme.Resets: 4}}
	tests := map[string]struct {
		base   baseline
		record Record
		want   view
	}{
		"never reset":                 {baseline{}, record(6, at(0), time.Time{}), view{6, 6, at(0), true}},
		"reset":                       {noted, record(6, at(0), time.Time{}), view{2, 6, at(60), true}},
		"gap before the reset":        {noted, record(6, at(0), at(50)), view{2, 6, at(60), true}},
		"gap after the reset":         {noted, record(6, at(0), at(70)), view{2, 6, at(60), false}},
		"controllers' book was lost":  {noted, record(5, at(65), time.Time{}), view{5, 5, at(65), true}},
		"counter newer than baseline": {baseline{At: at(60)}, record(6, at(0), at(70)), view{6, 6, at(60), false}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := tt.base.since(tt.record)
			tally := r.Tallies[nvme.Resets]
			if diff := cmp.Diff(tt.want, view{tally.SinceReset, tally.Lifetime, r.CountedSince, r.Exact}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if got := (baseline{}).since(Record{}); got.Exact {
		t.Error("a record that never counted is exact")
	}
}
