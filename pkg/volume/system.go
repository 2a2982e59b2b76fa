package volume

import (
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
	"k8s.io/mount-utils"
	"k8s.io/utils/exec"
)

// System is what the package needs of the operating system, as values, so
// that a test can be another system (see volumetest).
type System struct {
	Mounter mount.Interface
	Exec    exec.Interface
	// MountInfo is the file with the kernel's mount table (proc(5)).
	MountInfo string
	// Sysfs is where sysfs is mounted.
	Sysfs string
	// DeviceNumber returns the MAJOR:MINOR for which the block device node at
	// path stands, or an error if it is none. It must not open the node.
	DeviceNumber func(path string) (string, error)
	// Statfs is statfs(2).
	Statfs func(path string, st *unix.Statfs_t) error
}

// Linux is the machine that this process runs on. Mounts are not put into
// systemd scopes: neither ext4 nor xfs has a daemon that would have to outlive
// this process.
func Linux() System {
	return System{
		Mounter:      mount.NewWithoutSystemd(""),
		Exec:         exec.New(),
		MountInfo:    "/proc/self/mountinfo",
		Sysfs:        "/sys",
		DeviceNumber: deviceNumber,
		Statfs:       unix.Statfs,
	}
}

// deviceNumber reads the inode of a device node, which lies in memory: it
// answers even if the device does not.
func deviceNumber(path string) (string, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return "", &fs.PathError{Op: "lstat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return "", fmt.Errorf("%s is not a block device", path)
	}
	return fmt.Sprintf("%d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev)), nil
}
