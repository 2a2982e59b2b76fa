package nvme

import "testing"

func TestUsable(t *testing.T) {
	for _, tc := range []struct {
		controller, ana string
		want            bool
	}{
		{"live", "", true},
		{"live", "optimized", true},
		{"live", "non-optimized", true},
		{"live", "inaccessible", false},
		{"live", "persistent-loss", false},
		{"live", "change", false},
		{"live", "a word of a later kernel", false},
		{"connecting", "optimized", false}, // stale while the controller is down
		{"resetting", "", false},
		{"deleting (no IO)", "", false},
		{"a word of a later kernel", "optimized", false},
	} {
		t.Run(tc.controller+" "+tc.ana, func(t *testing.T) {
			if got := Usable(ParseControllerState(tc.controller), ParseANAState(tc.ana)); got != tc.want {
				t.Errorf("Usable(%q, %q) = %t, want %t", tc.controller, tc.ana, got, tc.want)
			}
		})
	}
}
