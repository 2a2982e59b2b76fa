package volume

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// Mount is an entry of the kernel's mount table.
type Mount struct {
	Path   string
	DevNum string // MAJOR:MINOR of the block device
	// FSType is the file system; empty where the device node itself is bound
	// to the path, as raw block volumes are.
	FSType string
	// ReadOnly is the mode of this mount. A file system that the kernel made
	// read-only after an error does not count: that is not how it was mounted.
	ReadOnly bool
	// Partial tells that only a part of the file system shows at the path, as
	// with the subPath of a container.
	Partial bool
}

// Raw tells whether the device node itself is at the path.
func (m Mount) Raw() bool { return m.FSType == "" }

// Matches returns nil if what is mounted is what is wanted.
func (m Mount) Matches(want Mount) error {
	switch {
	case m.DevNum != want.DevNum:
		return fmt.Errorf("%w: %s is mounted at %s, not %s", ErrOccupied, m.DevNum, m.Path, want.DevNum)
	case m.FSType != want.FSType || m.Partial:
		return fmt.Errorf("%w: %s is %s, not %s", ErrDifferent, m.Path, m.kind(), want.kind())
	case m.ReadOnly != want.ReadOnly:
		return fmt.Errorf("%w: %s is %s, not %s", ErrDifferent, m.Path, m.mode(), want.mode())
	}
	return nil
}

func (m Mount) kind() string {
	switch {
	case m.Raw():
		return "a raw block device"
	case m.Partial:
		return "a part of a file system"
	}
	return "a file system " + m.FSType
}

func (m Mount) mode() string {
	if m.ReadOnly {
		return "read-only"
	}
	return "read-write"
}

// Mounted returns what is mounted at path, the topmost if mounts are stacked.
func (v *Volumes) Mounted(path string) (m Mount, ok bool, err error) {
	path = canonical(path)
	err = v.each(func(i *mountinfo.Info) {
		if i.Mountpoint == path {
			// Whatever covers a mount is its child and listed after it.
			m, ok = v.mount(i), true
		}
	})
	return m, ok, err
}

// MountsOf returns every mount of a device.
func (v *Volumes) MountsOf(devNum string) ([]Mount, error) {
	var found []Mount
	err := v.each(func(i *mountinfo.Info) {
		if m := v.mount(i); m.DevNum == devNum {
			found = append(found, m)
		}
	})
	return found, err
}

// each visits the mount table in the kernel's order.
func (v *Volumes) each(visit func(*mountinfo.Info)) error {
	f, err := os.Open(v.sys.MountInfo)
	if err != nil {
		return err
	}
	defer f.Close()
	table, err := mountinfo.GetMountsFromReader(f, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", v.sys.MountInfo, err)
	}
	for _, i := range table {
		visit(i)
	}
	return nil
}

// mount reads an entry. A device node that is bound to a path shows as a part
// of the file system in which the node lies, and its inode says which device
// it is. Only file systems in memory are asked: they always answer.
func (v *Volumes) mount(i *mountinfo.Info) Mount {
	m := Mount{
		Path:     i.Mountpoint,
		DevNum:   fmt.Sprintf("%d:%d", i.Major, i.Minor),
		FSType:   i.FSType,
		ReadOnly: slices.Contains(strings.Split(i.Options, ","), "ro"),
		Partial:  i.Root != "/",
	}
	if m.Partial && (i.FSType == "devtmpfs" || i.FSType == "tmpfs") {
		if devNum, err := v.sys.DeviceNumber(i.Mountpoint); err == nil {
			m.DevNum, m.FSType, m.Partial = devNum, "", false
		}
	}
	return m
}

// canonical resolves the symbolic links above path, as the kernel did for its
// table, and leaves the last element alone, for that may be a mount that hangs.
func canonical(path string) string {
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, filepath.Base(path))
}
