package disk

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMergeUsr(t *testing.T) {
	root := t.TempDir()
	for name, content := range map[string]string{
		"bin/kmod": "kmod", "usr/bin/env": "env", "lib/x86_64-linux-gnu/libc.so": "libc", "usr/lib/x86_64-linux-gnu/libnvme.so": "nvme",
	} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := mergeUsr(root); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"bin/kmod": "kmod", "usr/bin/kmod": "kmod", "bin/env": "env",
		"usr/lib/x86_64-linux-gnu/libc.so": "libc", "lib/x86_64-linux-gnu/libnvme.so": "nvme",
	} {
		if got, err := os.ReadFile(filepath.Join(root, name)); err != nil || string(got) != want {
			t.Errorf("%s has %q, %v; want %q", name, got, err, want)
		}
	}
	if info, err := os.Lstat(filepath.Join(root, "sbin")); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("sbin: %v, %v; want a link", info, err)
	}
}

func TestUnneeded(t *testing.T) {
	for name, want := range map[string]bool{
		"perl-base": true, "libpython3.11-minimal": true, "passwd": true, "dpkg": true,
		"libpam0g": false, "libselinux1": false, "containerd": false, "libnvme1": false, "libc6": false,
	} {
		if got := unneeded.MatchString(name); got != want {
			t.Errorf("%s is unneeded: %t, want %t", name, got, want)
		}
	}
}
