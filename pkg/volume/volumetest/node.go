// Package volumetest is a system for package volume that exists in memory and
// in a temporary directory, and needs no privileges: a mount table that
// behaves like the kernel's, and the commands that volumes use.
package volumetest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
	"k8s.io/mount-utils"

	"github.com/braid-csi/braid/pkg/volume"
)

// Node is a system. What it is asked to do is done at once and always
// succeeds where Linux would succeed; tests make it fail through Fail.
type Node struct {
	// Interface answers what package volume never asks for.
	mount.Interface

	// Fail, if set, is asked before every mount, unmount, statfs and command;
	// its error is theirs. It may block, as a device without a path does.
	Fail func(call string, args ...string) error

	dir     string
	mu      sync.Mutex
	devices []*device
	mounts  []entry
	calls   []string
}

type device struct {
	volume.Device
	content   string // what blkid finds
	protected bool
}

// entry is a line of the mount table.
type entry struct {
	dev     *device
	path    string
	fsType  string
	options string
	raw     bool
}

// New returns a node without devices and mounts.
func New(t testing.TB) *Node {
	n := &Node{Interface: mount.NewFakeMounter(nil), dir: t.TempDir()}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.write()
	return n
}

// System is the node as package volume sees it.
func (n *Node) System() volume.System {
	return volume.System{
		Mounter:      n,
		Exec:         commands{n},
		MountInfo:    filepath.Join(n.dir, "mountinfo"),
		Sysfs:        filepath.Join(n.dir, "sys"),
		DeviceNumber: n.deviceNumber,
		Bind:         n.bind,
		Statfs:       n.statfs,
	}
}

// AddDevice adds a block device with a size in bytes and something on it:
// nothing, or what blkid calls it.
func (n *Node) AddDevice(size int64, content string) volume.Device {
	n.mu.Lock()
	defer n.mu.Unlock()
	i := len(n.devices)
	d := &device{
		Device:  volume.Device{Path: filepath.Join(n.dir, fmt.Sprintf("nvme0n%d", i+1)), DevNum: fmt.Sprintf("259:%d", i)},
		content: content,
	}
	n.devices = append(n.devices, d)
	must(os.WriteFile(d.Path, make([]byte, 4096), 0o600))
	sysfs := filepath.Join(n.dir, "sys/dev/block", d.DevNum)
	must(os.MkdirAll(sysfs, 0o755))
	must(os.WriteFile(filepath.Join(sysfs, "size"), fmt.Appendf(nil, "%d\n", size/512), 0o600))
	return d.Device
}

// Resize changes the size of a device.
func (n *Node) Resize(dev volume.Device, size int64) {
	must(os.WriteFile(filepath.Join(n.dir, "sys/dev/block", dev.DevNum, "size"), fmt.Appendf(nil, "%d\n", size/512), 0o600))
}

// Protect makes a device read-only.
func (n *Node) Protect(dev volume.Device) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.device(dev.Path).protected = true
}

// Content returns what is on a device.
func (n *Node) Content(dev volume.Device) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.device(dev.Path).content
}

// Calls returns everything that was done, one line each.
func (n *Node) Calls() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.calls)
}

// Mounts returns the paths at which something is mounted.
func (n *Node) Mounts() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var paths []string
	for _, e := range n.mounts {
		paths = append(paths, e.path)
	}
	return paths
}

// call records a call and asks Fail about it.
func (n *Node) call(name string, args ...string) error {
	n.mu.Lock()
	n.calls = append(n.calls, strings.Join(append([]string{name}, args...), " "))
	n.mu.Unlock()
	if n.Fail != nil {
		return n.Fail(name, args...)
	}
	return nil
}

// Mount mounts a device, or binds a mount point or a device node.
func (n *Node) Mount(source, target, fsType string, options []string) error {
	if err := n.call("mount", append(options, source, target)...); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, err := os.Lstat(target); err != nil {
		return err
	}
	e := entry{path: target, fsType: fsType, options: "rw"}
	if slices.Contains(options, "ro") {
		e.options = "ro"
	}
	from := n.top(source)
	switch {
	case !slices.Contains(options, "bind"):
		e.dev = n.device(source)
		if e.dev == nil || e.dev.content != fsType {
			return fmt.Errorf("mount %s: wrong fs type or bad superblock", source)
		}
		if e.dev.protected {
			e.options = "ro" // as mount(8) does, with a warning
		}
	case from != nil:
		e.dev, e.fsType, e.raw = from.dev, from.fsType, from.raw
		if from.options == "ro" {
			e.options = "ro"
		}
	case n.device(source) != nil:
		e.dev, e.fsType, e.raw = n.device(source), "devtmpfs", true
	default:
		return fmt.Errorf("bind %s: %w", source, fs.ErrNotExist)
	}
	n.mounts = append(n.mounts, e)
	n.write()
	return nil
}

func (n *Node) bind(source, target string, readOnly bool) error {
	options := []string{"bind"}
	if readOnly {
		options = append(options, "ro")
	}
	return n.Mount(source, target, "", options)
}

// MountSensitive is Mount.
func (n *Node) MountSensitive(source, target, fsType string, options, sensitive []string) error {
	return n.Mount(source, target, fsType, slices.Concat(options, sensitive))
}

// Unmount takes the topmost mount off target.
func (n *Node) Unmount(target string) error {
	if err := n.call("umount", target); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := len(n.mounts) - 1; i >= 0; i-- {
		if n.mounts[i].path == target {
			n.mounts = slices.Delete(n.mounts, i, i+1)
			n.write()
			return nil
		}
	}
	return errors.New("umount: " + target + ": not mounted")
}

func (n *Node) deviceNumber(path string) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if e := n.top(path); e != nil && e.raw {
		return e.dev.DevNum, nil
	}
	if d := n.device(path); d != nil {
		return d.DevNum, nil
	}
	return "", fmt.Errorf("%s is not a block device", path)
}

func (n *Node) statfs(path string, st *unix.Statfs_t) error {
	if err := n.call("statfs", path); err != nil {
		return err
	}
	*st = unix.Statfs_t{Bsize: 4096, Blocks: 1000, Bfree: 600, Bavail: 500, Files: 100, Ffree: 90}
	return nil
}

func (n *Node) device(path string) *device {
	for _, d := range n.devices {
		if d.Path == path {
			return d
		}
	}
	return nil
}

// top returns the topmost mount at path.
func (n *Node) top(path string) *entry {
	for i := len(n.mounts) - 1; i >= 0; i-- {
		if n.mounts[i].path == path {
			return &n.mounts[i]
		}
	}
	return nil
}

// write writes the mount table, in the format of proc(5).
func (n *Node) write() {
	var b strings.Builder
	b.WriteString("1 0 254:0 / / rw,relatime - ext4 /dev/root rw\n")
	for i, e := range n.mounts {
		devNum, root := e.dev.DevNum, "/"
		if e.raw {
			devNum, root = "0:5", "/"+filepath.Base(e.dev.Path)
		}
		path := strings.ReplaceAll(e.path, " ", `\040`)
		fmt.Fprintf(&b, "%d 1 %s %s %s %s,relatime shared:1 - %s %s rw\n", i+2, devNum, root, path, e.options, e.fsType, e.dev.Path)
	}
	file := filepath.Join(n.dir, "mountinfo")
	must(os.WriteFile(file+".new", []byte(b.String()), 0o600))
	must(os.Rename(file+".new", file))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
