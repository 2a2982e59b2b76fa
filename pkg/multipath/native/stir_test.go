package native

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// TestQueues: each queue that has a processor is asked by one of its own.
func TestQueues(t *testing.T) {
	root := t.TempDir()
	j := job{Stir: "nvme1", Path: "nvme0c1n1", SysFS: root}
	disk := filepath.Join(root, controllerClass, j.Stir, j.Path)
	for file, content := range map[string]string{
		"queue/logical_block_size": "512\n", "mq/0/cpu_list": "0, 2, 4\n", "mq/1/cpu_list": "1\n", "mq/2/cpu_list": "\n", "mq/10/cpu_list": "3, 5\n",
	} {
		path := filepath.Join(disk, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cpus, size, err := j.queues()
	slices.Sort(cpus)
	if err != nil || size != 512 || !slices.Equal(cpus, []int{0, 1, 3}) {
		t.Errorf("processors %d, blocks of %d bytes, %v; want 0, 1 and 3, and 512", cpus, size, err)
	}
	j.Path = "" // a controller with several namespaces
	if cpus, _, err := j.queues(); err != nil || len(cpus) > 0 {
		t.Errorf("several namespaces: processors %d, %v; want none", cpus, err)
	}
}

// TestStirGone: a controller that is gone is not asked for.
func TestStirGone(t *testing.T) {
	if err := (job{Stir: "nvme7", Dev: t.TempDir(), SysFS: t.TempDir()}).stir(); err != unix.ENODEV {
		t.Errorf("%v, want ENODEV", err)
	}
}
