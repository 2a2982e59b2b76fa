package guest

import (
	"archive/tar"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// sendFiles streams a folder as a tar archive.
func sendFiles(w io.Writer, dir string) error {
	t := tar.NewWriter(w)
	if err := t.AddFS(os.DirFS(dir)); err != nil {
		return fmt.Errorf("sending %s: %w", dir, err)
	}
	if err := t.Close(); err != nil {
		return fmt.Errorf("sending %s: %w", dir, err)
	}
	return nil
}

// saveKernelLog puts the whole kernel log beside the program's files: the
// console has only what is urgent.
func saveKernelLog() error {
	const readAll, size = 3, 10
	n, err := unix.Klogctl(size, nil)
	if err != nil {
		return fmt.Errorf("kernel log: %w", err)
	}
	b := make([]byte, n)
	if n, err = unix.Klogctl(readAll, b); err != nil {
		return fmt.Errorf("kernel log: %w", err)
	}
	return os.WriteFile(filepath.Join(OutDir, "dmesg.txt"), b[:n], 0o644)
}
