package initramfs

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestKernelModules(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"modules.dep":     "kernel/nvme-tcp.ko: kernel/nvme-fabrics.ko\nkernel/nvme-fabrics.ko:\nkernel/other.ko:\n",
		"modules.dep.bin": "index", "kernel/nvme-tcp.ko": "t", "kernel/nvme-fabrics.ko": "f", "kernel/other.ko": "o",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tree := NewTree()
	if err := tree.KernelModules(dir, "7.2", []string{"nvme_tcp", "built-in"}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, name := range tree.names() {
		if n := tree.nodes[name]; n.host != "" {
			got = append(got, name)
		}
	}
	want := []string{
		"/usr/lib/modules/7.2/kernel/nvme-fabrics.ko", "/usr/lib/modules/7.2/kernel/nvme-tcp.ko", "/usr/lib/modules/7.2/modules.dep.bin",
	}
	if !slices.Equal(got, want) {
		t.Errorf("files %v, want %v", got, want)
	}
}
