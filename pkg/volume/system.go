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
	// Bind shows what is at the path source at the path target too, at once as
	// it shall be: nobody ever sees it writable if it is read-only.
	Bind func(source, target string, readOnly bool) error
	// Statfs is statfs(2).
	Statfs func(path string, st *unix.Statfs_t) error
}

// Linux is the machine that this process runs on. Mounts are not put into
// systemd scopes: neither ext4 nor xfs has a daemon that would have to outlive
// this process.
func Linux() System {
	return withFaultpoints(System{
		Mounter:      mount.NewWithoutSystemd(""),
		Exec:         exec.New(),
		MountInfo:    "/proc/self/mountinfo",
		Sysfs:        "/sys",
		DeviceNumber: deviceNumber,
		Bind:         bindMount,
		Statfs:       unix.Statfs,
	})
}

// bindMount makes a bind mount. mount(8) binds first and makes it read-only
// then: a mount that whoever dies in between leaves writable looks like one
// that was asked for. So the clone gets its mode before it is attached
// (mount_setattr(2), Linux 5.12).
func bindMount(source, target string, readOnly bool) error {
	fail := func(call string, err error) error {
		return fmt.Errorf("bind %s to %s: %s: %w", source, target, call, err)
	}
	tree, err := unix.OpenTree(unix.AT_FDCWD, source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return fail("open_tree", err)
	}
	defer unix.Close(tree)
	if readOnly {
		attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
		if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &attr); err != nil {
			return fail("mount_setattr", err)
		}
	}
	if err := unix.MoveMount(tree, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fail("move_mount", err)
	}
	return nil
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
