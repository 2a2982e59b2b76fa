package native

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestReadAnother: a device that is gone, or whose name another one has by now,
// is not read.
func TestReadAnother(t *testing.T) {
	file := filepath.Join(t.TempDir(), "nvme0n1")
	if err := os.WriteFile(file, make([]byte, readSize), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, j := range map[string]job{
		"another": {Read: file, DevNum: "259:1"},
		"gone":    {Read: file + "2", DevNum: "259:1"},
	} {
		if err := j.read(); err != unix.ENODEV {
			t.Errorf("%s: %v, want ENODEV", name, err)
		}
	}
}
