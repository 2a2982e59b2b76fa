package kernel

import "testing"

func TestSpecsAccept(t *testing.T) {
	for _, tt := range []struct {
		spec, release string
		want          bool
	}{
		{"newest", "7.2.13+deb14-cloud-amd64", true},
		{"newest", "7.1.9+deb14-cloud-amd64", false},
		{"newest", "8.0.1+deb14-cloud-amd64", true},
		{"", "6.12.117+deb12-cloud-amd64", false},
		{"6.12", "6.12.117+deb12-cloud-amd64", true},
		{"6.12", "6.1.0-56-cloud-amd64", false},
		{"6.1", "6.12.117+deb12-cloud-amd64", false},
		{"6.1", "6.1.0-56-cloud-amd64", true},
		{"6.1", "amd64", false},
	} {
		spec, err := Lookup(tt.spec)
		if err != nil {
			t.Fatal(err)
		}
		if err := spec.accept(tt.release); (err == nil) != tt.want {
			t.Errorf("spec %q accepts %s: %v, want accepted: %t", tt.spec, tt.release, err, tt.want)
		}
	}
	if _, err := Lookup("5.10"); err == nil {
		t.Error("there is a spec for 5.10")
	}
}
