package vm

import (
	"fmt"
	"testing"
)

// TestClockRate measures twice: a rate that is right is the same each time.
func TestClockRate(t *testing.T) {
	var khz [2]float64
	for i := range khz {
		if _, err := fmt.Sscanf(clockRate(), " tsc_early_khz=%f", &khz[i]); err != nil {
			t.Fatal(err)
		}
	}
	if ratio := khz[0] / khz[1]; ratio < 0.99 || ratio > 1.01 {
		t.Errorf("%.0f kHz, then %.0f kHz", khz[0], khz[1])
	}
}
