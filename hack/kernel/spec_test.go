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
	for _, name := range []string{"5.10", "5.10-general"} {
		if _, err := Lookup(name); err == nil {
			t.Errorf("there is a spec for %s", name)
		}
	}
}

func TestGeneralFlavour(t *testing.T) {
	for name, want := range map[string]Spec{
		"6.1-general":  {Name: "6.1-general", Package: "linux-image-amd64"},
		"6.12-general": {Name: "6.12-general", Package: "linux-image-6.12-amd64"},
		"-general":     {Name: "newest-general", Package: "linux-image-amd64"},
		"sid-general":  {Name: "newest-general", Package: "linux-image-amd64"},
	} {
		got, err := Lookup(name)
		if err != nil || got.Name != want.Name || got.Package != want.Package {
			t.Errorf("spec %q is %q, package %s (%v); want %q, %s", name, got.Name, got.Package, err, want.Name, want.Package)
		}
	}
}
