package initramfs

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestArchive lets cpio, which did not learn the format here, read an archive.
func TestArchive(t *testing.T) {
	cpio, err := exec.LookPath("cpio")
	if err != nil {
		t.Skip("cpio is not installed")
	}
	host := filepath.Join(t.TempDir(), "tool")
	if err := os.WriteFile(host, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	tree := NewTree()
	tree.Content("/etc/odd", []byte("12345"), 0o640)
	tree.Link("/etc/mtab", "/proc/self/mounts")
	tree.Dir("/tmp", 0o1777)
	if err := tree.Program("/sbin/tool", host); err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	if _, err := tree.WriteTo(&archive); err != nil {
		t.Fatal(err)
	}

	to := t.TempDir()
	cmd := exec.Command(cpio, "-idm", "--quiet", "--no-absolute-filenames")
	cmd.Dir, cmd.Stdin = to, &archive
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cpio: %v: %s", err, out)
	}
	for name, want := range map[string]string{
		"etc/odd": "-rw-r----- 12345", "usr/sbin/tool": "-rwxr-xr-x #!/bin/sh\n", "sbin/tool": "-rwxr-xr-x #!/bin/sh\n",
	} {
		info, err := os.Stat(filepath.Join(to, name))
		if err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(filepath.Join(to, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().String() + " " + string(content); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if target, err := os.Readlink(filepath.Join(to, "etc/mtab")); err != nil || target != "/proc/self/mounts" {
		t.Errorf("etc/mtab leads to %q, %v", target, err)
	}
}

// TestFoldersComeFirst is what the kernel needs: it makes no missing parents.
func TestFoldersComeFirst(t *testing.T) {
	tree := NewTree()
	tree.Content("/lib/modules/7.2/kernel/x.ko", nil, 0o644)
	seen := map[string]bool{"": true}
	for _, name := range tree.names() {
		if parent := name[:strings.LastIndex(name, "/")]; !seen[parent] {
			t.Errorf("%s comes before %s", name, parent)
		}
		seen[name] = true
	}
	if !seen["/usr/lib/modules/7.2/kernel/x.ko"] {
		t.Error("a file in /lib is not in /usr/lib")
	}
}
