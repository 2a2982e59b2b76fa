package ledger

import (
	"fmt"
	"testing"
)

// TestFormerIsBounded: a path that is made anew again and again must not make
// its book grow.
func TestFormerIsBounded(t *testing.T) {
	var r Record
	for i := range 100 {
		r, _ = merge(r, with(sample(i, 1), func(s *Sample) { s.Epoch = fmt.Sprint(i) }), DefaultQuietTime)
	}
	if len(r.Former) != maxFormer || r.Former[0].Epoch != "98" {
		t.Errorf("former epochs %+v, want the latest %d", r.Former, maxFormer)
	}
	if got := r.Tallies["failovers"].Lifetime; got != 100 {
		t.Errorf("lifetime %d, want 100", got)
	}
}
