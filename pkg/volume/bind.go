package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/braid-csi/braid/pkg/faultpoint"
)

// Publish shows what is staged at a second path, which it creates: a
// directory, or a file if the device is raw. It does nothing if just this is
// there already. A read-only file system is read-only however it was staged.
// The mode of a raw device's bind mount stops nobody from writing; it records
// what was asked for, and the container runtime's device rule enforces it.
func (v *Volumes) Publish(ctx context.Context, staged Mount, target string, readOnly bool) error {
	want := Mount{Path: target, DevNum: staged.DevNum, FSType: staged.FSType, ReadOnly: readOnly || staged.ReadOnly}
	return v.change(ctx, target, func() error { return v.bind(staged.Path, want) })
}

// Unpublish unmounts everything at target and removes it. Nothing being there
// is fine; a directory with something in it is not removed, but an error.
func (v *Volumes) Unpublish(ctx context.Context, target string) error {
	return v.change(ctx, target, func() error {
		if err := v.unmountAll(target); err != nil {
			return err
		}
		faultpoint.Before("remove", target)
		if err := os.Remove(target); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

// bind binds source to want.Path, unless it is there already, and leaves
// nothing behind if it fails.
func (v *Volumes) bind(source string, want Mount) error {
	have, ok, err := v.Mounted(want.Path)
	switch {
	case err != nil:
		return err
	case ok:
		return have.Matches(want)
	}
	faultpoint.Before("make", want.Path)
	created, err := createMountPoint(want.Path, want.Raw())
	if err != nil {
		return err
	}
	err = v.sys.Bind(source, want.Path, want.ReadOnly)
	if err == nil {
		err = v.confirm(want)
	}
	if err == nil {
		return nil
	}
	err = errors.Join(err, v.unmountAll(want.Path))
	if created {
		err = errors.Join(err, os.Remove(want.Path))
	}
	return err
}

// confirm asks the kernel whether want is now mounted.
func (v *Volumes) confirm(want Mount) error {
	have, ok, err := v.Mounted(want.Path)
	switch {
	case err != nil:
		return err
	case !ok:
		return fmt.Errorf("%w after mounting: %s", ErrNotMounted, want.Path)
	}
	if have.ReadOnly && !want.ReadOnly && have.DevNum == want.DevNum {
		// mount(8) falls back to this by itself.
		return fmt.Errorf("%w: %s, because device %s is write-protected", ErrReadOnly, want.Path, want.DevNum)
	}
	return have.Matches(want)
}

// maxStack bounds how many mounts are taken off one path.
const maxStack = 32

// unmountAll unmounts whatever is stacked at path.
func (v *Volumes) unmountAll(path string) error {
	for range maxStack {
		if _, ok, err := v.Mounted(path); err != nil || !ok {
			return err
		}
		if err := v.sys.Mounter.Unmount(path); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s is still a mount point after %d unmounts", path, maxStack)
}

// createMountPoint makes path an empty file or a directory and tells whether
// it was not there before. It creates the last element only, and nothing
// through a symbolic link.
func createMountPoint(path string, file bool) (created bool, err error) {
	if file {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			return true, f.Close()
		}
		if !errors.Is(err, fs.ErrExist) {
			return false, err
		}
	} else if err := os.Mkdir(path, 0o750); err == nil || !errors.Is(err, fs.ErrExist) {
		return err == nil, err
	}
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return false, err
	case file && !info.Mode().IsRegular():
		return false, fmt.Errorf("%w: %s is not a regular file", ErrOccupied, path)
	case !file && !info.IsDir():
		return false, fmt.Errorf("%w: %s is not a directory", ErrOccupied, path)
	}
	return false, nil
}

// removeFile removes the empty file that was a mount point. Anything else is
// not ours and stays.
func removeFile(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.Mode().IsRegular() || info.Size() != 0:
		return fmt.Errorf("%w: %s is not the empty file that was made there", ErrOccupied, path)
	}
	faultpoint.Before("remove", path)
	return os.Remove(path)
}

// change runs a change to what is mounted at path.
func (v *Volumes) change(ctx context.Context, path string, work func() error) error {
	_, err := v.changes.alone(ctx, canonical(path), func() (struct{}, error) { return struct{}{}, work() })
	return err
}
