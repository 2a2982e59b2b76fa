// Package durable writes small files so that a crash, of Braid or of the node,
// leaves either the old content or the new one, never a part of either.
//
//	temporary file, same directory -> write -> fsync -> rename -> fsync directory
//
// Without the first fsync a rename may reach the disk before the data does and
// leave an empty file; without the second the rename itself may be lost.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/braid-csi/braid/pkg/faultpoint"
)

// tempPrefix marks the files of an unfinished write, for RemoveTemps to find.
const tempPrefix = ".braid-tmp-"

// WriteFile makes data the content of the file at path, with exactly the
// permissions perm. When it returns nil the content survives a power cut. When
// it returns an error no temporary file is left, and the file is as before;
// only if the very last step fails, the sync of the directory, the new content
// is in place already and may or may not survive.
func WriteFile(path string, data []byte, perm fs.FileMode) error {
	return onDisk.writeFile(path, data, perm)
}

// steps are the calls a write consists of, so that tests can let each fail.
type steps struct {
	write   func(*os.File, []byte) (int, error)
	sync    func(*os.File) error
	rename  func(from, to string) error
	syncDir func(dir string) error
}

var onDisk = steps{(*os.File).Write, (*os.File).Sync, os.Rename, syncDir}

func (s steps) writeFile(path string, data []byte, perm fs.FileMode) error {
	dir := filepath.Dir(path)
	faultpoint.Before("write beside", path)
	f, err := os.CreateTemp(dir, tempPrefix+"*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := errors.Join(s.fill(f, data, perm), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Join(err, os.Remove(f.Name())))
	}
	faultpoint.Before("replace", path)
	if err := s.rename(f.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Join(err, os.Remove(f.Name())))
	}
	faultpoint.Before("sync directory of", path)
	return s.syncDir(dir)
}

func (s steps) fill(f *os.File, data []byte, perm fs.FileMode) error {
	if _, err := s.write(f, data); err != nil {
		return err
	}
	if err := f.Chmod(perm); err != nil { // CreateTemp's 0600, whatever the umask
		return err
	}
	return s.sync(f)
}

// RemoveFile removes the file at path for good: it does not come back after a
// power cut. A file that is not there is no error.
func RemoveFile(path string) error {
	faultpoint.Before("remove", path)
	switch err := os.Remove(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	return syncDir(filepath.Dir(path))
}

// RemoveTemps removes what writes that a crash cut short left in dir. No write
// to dir may be under way.
func RemoveTemps(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), tempPrefix) {
			errs = append(errs, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// SetAside renames a broken file to PATH.corrupt-N, with the first N from 1
// that is free, and returns that name: out of the way, but kept for whoever
// wants to know what happened.
func SetAside(path string) (string, error) {
	for n := 1; ; n++ {
		aside := fmt.Sprintf("%s.corrupt-%d", path, n)
		if _, err := os.Lstat(aside); err == nil {
			continue
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		if err := os.Rename(path, aside); err != nil {
			return "", err
		}
		return aside, syncDir(filepath.Dir(path))
	}
}

// syncDir makes the names in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}
