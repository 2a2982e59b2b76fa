package debian

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// MergeUsr does what the package usrmerge does on an installed machine: /bin,
// /sbin and the libraries are in /usr, and links to it.
func MergeUsr(root string) error {
	for _, name := range []string{"bin", "sbin", "lib", "lib64"} {
		from, to := filepath.Join(root, name), filepath.Join(root, "usr", name)
		if err := os.MkdirAll(to, 0o755); err != nil {
			return err
		}
		if info, err := os.Lstat(from); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			continue // from base-files
		}
		if err := moveInto(from, to); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("merging %s: %w", name, err)
		}
		if err := os.Symlink(path.Join("usr", name), from); err != nil {
			return err
		}
	}
	return nil
}

// moveInto moves all that is in a folder, and then removes it.
func moveInto(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		source, target := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		if info, err := os.Lstat(target); err == nil && info.IsDir() && e.IsDir() {
			if err := moveInto(source, target); err != nil {
				return err
			}
			continue
		}
		if err := os.Rename(source, target); err != nil {
			return err
		}
	}
	return os.Remove(from)
}
