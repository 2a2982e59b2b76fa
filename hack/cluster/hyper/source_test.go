package hyper

import (
	"strings"
	"testing"
)

// TestSource reads the real module: the versions the build depends on must be
// found in it.
func TestSource(t *testing.T) {
	hack, err := FindSource()
	if err != nil {
		t.Fatal(err)
	}
	s, err := readSource(t.Context(), hack+"/kubernetes")
	if err != nil {
		t.Fatal(err)
	}
	key, err := s.key()
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.TrimPrefix(s.version, "v") + "-"; len(s.version) < 6 || !strings.HasPrefix(key, want) {
		t.Errorf("version %q, key %q", s.version, key)
	}
}

func TestBuildFlags(t *testing.T) {
	flags := strings.Join(source{version: "v1.37.2"}.buildFlags(), " ")
	for _, want := range []string{
		"-X k8s.io/component-base/version.gitVersion=v1.37.2", "-X k8s.io/client-go/pkg/version.gitMinor=37",
		"-X k8s.io/component-base/version.gitMajor=1 ",
	} {
		if !strings.Contains(flags, want) {
			t.Errorf("no %q in %q", want, flags)
		}
	}
}
