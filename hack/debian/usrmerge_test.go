package debian

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
	if err := MergeUsr(root); err != nil {
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
