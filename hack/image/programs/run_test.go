package programs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestPrograms runs every program in a root that has nothing but the image's
// files, and lets them work on files as on devices. The first run needs the
// network.
func TestPrograms(t *testing.T) {
	root := unpacked(t, runtime.GOARCH)
	for _, name := range []string{"ext4", "xfs"} {
		if err := truncate(filepath.Join(root, "tmp", name), 400<<20); err != nil {
			t.Fatal(err)
		}
	}
	// resize2fs wants to know whether it is mounted. A runtime mounts /proc.
	if err := os.Mkdir(filepath.Join(root, "proc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := truncate(filepath.Join(root, "proc/mounts"), 0); err != nil {
		t.Fatal(err)
	}
	ran := map[string]bool{"sh": true} // by fsck.xfs
	for _, tt := range []struct {
		command string
		status  int
		want    string
	}{
		{"mount --version", 0, "util-linux"},
		{"umount --version", 0, "util-linux"},
		{"blockdev --version", 0, "util-linux"},
		{"xfs_growfs -V", 0, "xfs_growfs version"},
		{"modprobe --version", 0, "+ZSTD +XZ"},
		{"modprobe nvme-tcp", 1, "/lib/modules/"}, // which the node's pod mounts
		{"false", 1, ""},

		{"blkid -p -o export -s TYPE -s PTTYPE /tmp/ext4", 2, ""},
		{"mkfs.ext4 -F -m0 -b 4096 /tmp/ext4 50000", 0, "done"},
		{"blkid -p -o export -s TYPE -s PTTYPE /tmp/ext4", 0, "TYPE=ext4"},
		{"fsck -a /tmp/ext4", 0, "clean"},
		{"fsck.ext4 -f -n /tmp/ext4", 0, "Pass 5"},
		{"resize2fs /tmp/ext4", 0, "is now 102400 (4k) blocks long"},

		{"mkfs.xfs", 1, "-i "}, // how pkg/volume asks what it knows
		{"mkfs.xfs -f /tmp/xfs", 0, "bsize=4096"},
		{"blkid -p -o export -s TYPE -s PTTYPE /tmp/xfs", 0, "TYPE=xfs"},
		{"fsck -a /tmp/xfs", 0, "XFS file system"},
		{"fsck.xfs -a /tmp/xfs", 0, "XFS file system"},
		{"xfs_repair -n /tmp/xfs", 0, "Phase 7"},
	} {
		args := strings.Fields(tt.command)
		ran[args[0]] = true
		out, err := run(root, args)
		if status := exitStatus(err); status != tt.status || !strings.Contains(out, tt.want) {
			t.Errorf("%s: status %d (%v), want %d and %q in\n%s", tt.command, status, err, tt.status, tt.want, out)
		}
	}
	for _, p := range all {
		if !ran[filepath.Base(p.path)] {
			t.Errorf("%s was not run", p.path)
		}
	}
}

func truncate(name string, size int64) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Truncate(size)
}

// run runs a program in a root of its own: whoever is not root may do that in a
// user namespace.
func run(root string, args []string) (string, error) {
	const searchPath = "/usr/sbin:/usr/bin"
	i := slices.IndexFunc(all, func(p program) bool { return filepath.Base(p.path) == args[0] })
	if i < 0 {
		return "", fmt.Errorf("%s is none of the programs", args[0])
	}
	cmd := &exec.Cmd{Path: all[i].path, Args: args, Dir: "/", Env: []string{"PATH=" + searchPath}}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	if uid := os.Getuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// exitStatus is -1 for a program that did not run.
func exitStatus(err error) int {
	if err == nil {
		return 0
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return -1
}
