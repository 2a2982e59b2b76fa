package nvmehost

import "testing"

func TestFeaturesOf(t *testing.T) {
	for _, want := range []Features{
		{"6.1.0-56-cloud-amd64", false, false, false},
		{"6.10.11-amd64", false, false, true},
		{"6.12.117+deb12-cloud-amd64", false, true, true},
		{"7.1.0", false, true, true},
		{"7.2.13+deb14-cloud-amd64", true, true, true},
		{"10.0.1", true, true, true},
	} {
		if got, err := featuresOf(want.Release); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", want.Release, got, err, want)
		}
	}
	if _, err := featuresOf("unknown"); err == nil {
		t.Error(`the release "unknown" was understood`)
	}
}
