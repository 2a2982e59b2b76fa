package blockdev

import (
	"fmt"
	"os"
	"path/filepath"
)

// Reads is how many reads a device has completed.
func Reads(device string) (n uint64, err error) {
	b, err := os.ReadFile(filepath.Join("/sys/class/block", filepath.Base(device), "stat"))
	if err != nil {
		return 0, err
	}
	// They are the first field (Documentation/block/stat.rst).
	if _, err := fmt.Sscan(string(b), &n); err != nil {
		return 0, fmt.Errorf("stat of %s: %q: %w", device, b, err)
	}
	return n, nil
}
