package native

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// readBootID returns the kernel's identifier of this boot.
func readBootID(proc string) (string, error) {
	a := newAttributes(proc)
	id, err := a.read("sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("boot id: %w", err)
	}
	return strings.TrimSpace(id), nil
}

// diskEpoch marks one life of a disk's counters by its diskseq.
func (e *Engine) diskEpoch(dir string) (string, error) {
	seq, err := e.attr.read(dir, "diskseq")
	if err != nil {
		return "", err
	}
	n, err := strconv.ParseUint(seq, 10, 64)
	if err != nil {
		return "", fmt.Errorf("%s: diskseq: %w", dir, err)
	}
	return diskEpoch(e.bootID, n), nil
}

func diskEpoch(bootID string, diskseq uint64) string {
	return fmt.Sprintf("%s/disk/%d", bootID, diskseq)
}

// controllerEpoch marks one life of a controller by the inode number of its
// directory, which kernfs draws from a counter.
func (e *Engine) controllerEpoch(name string) (string, error) {
	path := filepath.Join(e.attr.root, controllerClass, name)
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return "", readError(path, err)
	}
	return fmt.Sprintf("%s/controller/%d", e.bootID, st.Ino), nil
}
