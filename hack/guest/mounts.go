package guest

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// mountPoint is one of the kernel's own file systems.
type mountPoint struct {
	path, fstype, options string
	// optional ones are missing from some kernels, or are modules.
	optional bool
}

var mountPoints = []mountPoint{
	{path: "/proc", fstype: "proc"},
	{path: "/sys", fstype: "sysfs"},
	{path: "/dev", fstype: "devtmpfs", options: "mode=0755"},
	{path: "/dev/pts", fstype: "devpts", options: "mode=0620,ptmxmode=0666"},
	{path: "/dev/shm", fstype: "tmpfs"},
	{path: "/run", fstype: "tmpfs", options: "mode=0755"},
	{path: "/tmp", fstype: "tmpfs", options: "mode=1777"},
	{path: "/sys/fs/cgroup", fstype: "cgroup2"},
	{path: "/sys/fs/bpf", fstype: "bpf", optional: true},
	{path: "/sys/kernel/debug", fstype: "debugfs", optional: true},
	{path: "/sys/kernel/tracing", fstype: "tracefs", optional: true},
}

func mountAll() error {
	for _, m := range mountPoints {
		if err := m.mount(); err != nil {
			return err
		}
	}
	for link, target := range map[string]string{
		"/dev/fd": "/proc/self/fd", "/dev/stdin": "/proc/self/fd/0",
		"/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2",
	} {
		if err := os.Symlink(target, link); err != nil {
			return err
		}
	}
	// As on a node with systemd: mounts made here reach every mount namespace.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("making / shared: %w", err)
	}
	return unix.Sethostname([]byte("braid"))
}

// mountConfigfs is separate because configfs is a module on Debian.
func mountConfigfs() error {
	if err := loadModules([]string{"configfs"}); err != nil {
		return err
	}
	return mountPoint{path: "/sys/kernel/config", fstype: "configfs"}.mount()
}

func (m mountPoint) mount() error {
	// Folders below /sys exist if the kernel has the file system.
	if err := os.MkdirAll(m.path, 0o755); err != nil && !m.optional {
		return err
	}
	err := unix.Mount(m.fstype, m.path, m.fstype, unix.MS_NOSUID, m.options)
	switch {
	case err == nil, m.optional:
		return nil
	case errors.Is(err, unix.EBUSY):
		return nil // the kernel mounts devtmpfs by itself when told so
	}
	return fmt.Errorf("mounting %s on %s: %w", m.fstype, m.path, err)
}

// loopbackUp gives the guest the one network it has.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("lo: %w", err)
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("lo: %w", err)
	}
	lo.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("setting lo up: %w", err)
	}
	return nil
}
