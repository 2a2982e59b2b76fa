package volume

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Volumes formats, mounts, grows and measures volumes on one system. It keeps
// no record of them: what is where, the kernel knows. It is safe for
// concurrent use.
type Volumes struct {
	sys     System
	changes flights[struct{}]
	stats   flights[Stats]
}

// New returns the volumes of a system.
func New(sys System) *Volumes { return &Volumes{sys: sys} }

// Device is a block device.
type Device struct {
	Path   string // of its node, such as /dev/nvme0n1
	DevNum string // MAJOR:MINOR
}

// check makes sure that the node is the device: between a scan and now the
// name may have gone to another disk, and what follows may write to it.
func (v *Volumes) check(dev Device) error {
	got, err := v.sys.DeviceNumber(dev.Path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrWrongDevice, err)
	}
	if got != dev.DevNum {
		return fmt.Errorf("%w: %s is %s, not %s", ErrWrongDevice, dev.Path, got, dev.DevNum)
	}
	return nil
}

// Size returns the size of a device in bytes as sysfs has it, without touching
// the device (Linux Documentation/ABI/stable/sysfs-block: in units of 512
// bytes, whatever the device's block size).
func (v *Volumes) Size(devNum string) (int64, error) {
	file := filepath.Join(v.sys.Sysfs, "dev/block", devNum, "size")
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	sectors, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 54)
	if err != nil || sectors < 0 {
		return 0, fmt.Errorf("%s: %q is not a number of sectors", file, text)
	}
	return sectors * 512, nil
}
