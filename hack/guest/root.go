package guest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"

	"github.com/braid-csi/braid/hack/poll"
)

// Root is a disk the guest moves to before the program starts. What is written
// to it lasts as long as the machine.
type Root struct {
	// Disk is the block device with an ext4 file system.
	Disk string `json:"disk"`
	// Keep are the folders of the initramfs that stay visible.
	Keep []string `json:"keep,omitempty"`
}

const (
	lowerDir = "/braid.lower"
	upperDir = "/braid.upper"
	newRoot  = "/braid.root"
)

// enter makes the disk the root, with memory over it for what is written. It
// has to be the first process that does it: the kernel's own calls of modprobe
// share its root.
func (r Root) enter() error {
	if err := r.overlay(); err != nil {
		return fmt.Errorf("root on %s: %w", r.Disk, err)
	}
	// A mount cannot be moved away from below a shared one.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making / private: %w", err)
	}
	for _, dir := range []string{"/proc", "/sys", "/dev", "/run", "/tmp"} {
		if err := carry(dir, unix.MS_MOVE); err != nil {
			return err
		}
	}
	for _, dir := range r.Keep {
		if err := carry(dir, unix.MS_BIND); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(path.Join(newRoot, OutDir), 0o755); err != nil {
		return err
	}
	if err := os.Chdir(newRoot); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("moving %s to /: %w", newRoot, err)
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("changing the root: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("making / shared: %w", err)
	}
	return os.Chdir("/")
}

func (r Root) overlay() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := poll.Until(ctx, r.Disk, func() (bool, error) {
		_, err := os.Stat(r.Disk)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return err
	}
	for _, dir := range []string{lowerDir, upperDir, newRoot} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	if err := unix.Mount(r.Disk, lowerDir, "ext4", unix.MS_RDONLY, ""); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", upperDir, "tmpfs", 0, "mode=0755"); err != nil {
		return err
	}
	data, work := path.Join(upperDir, "data"), path.Join(upperDir, "work")
	for _, dir := range []string{data, work} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	options := "lowerdir=" + lowerDir + ",upperdir=" + data + ",workdir=" + work
	return unix.Mount("overlay", newRoot, "overlay", 0, options)
}

// carry brings a mount or a folder to the same path in the new root.
func carry(dir string, how uintptr) error {
	to := path.Join(newRoot, dir)
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(dir, to, "", how, ""); err != nil {
		return fmt.Errorf("carrying %s to the new root: %w", dir, err)
	}
	return nil
}
