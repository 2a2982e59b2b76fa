package debian

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const control = `Package: braid-test
Version: 1:2.3-4+deb13u5
Architecture: arm64
Maintainer: Nobody <nobody@localhost>
Description: nothing
 Version: not this one
`

// TestUnpack unpacks what Debian's own tool has packed.
func TestUnpack(t *testing.T) {
	from, root := t.TempDir(), t.TempDir()
	if err := os.Chmod(from, 0o755); err != nil { // dpkg-deb insists
		t.Fatal(err)
	}
	for name, content := range map[string]string{"DEBIAN/control": control, "usr/bin/some program": "x"} {
		file := filepath.Join(from, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	deb := filepath.Join(t.TempDir(), "test.deb")
	if out, err := exec.Command("dpkg-deb", "--build", from, deb).CombinedOutput(); err != nil {
		t.Fatalf("dpkg-deb: %v: %s", err, out)
	}
	got, err := unpack(t.Context(), deb, root)
	if err != nil {
		t.Fatal(err)
	}
	want := Package{
		Name: "braid-test", Version: "1:2.3-4+deb13u5", Control: control,
		Files: []string{"usr", "usr/bin", "usr/bin/some program"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("package (-want +got):\n%s", diff)
	}
	if b, err := os.ReadFile(filepath.Join(root, "usr/bin/some program")); err != nil || string(b) != "x" {
		t.Errorf("unpacked %q, %v", b, err)
	}
	if p, err := unpack(t.Context(), filepath.Join(root, "usr/bin/some program"), root); err == nil {
		t.Errorf("unpacked a file that is no package: %+v", p)
	}
}
