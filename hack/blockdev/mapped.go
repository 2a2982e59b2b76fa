package blockdev

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/braid-csi/braid/hack/configfs"
)

// Mapped is a device-mapper device that is another one from end to end, and can
// be suspended: what is asked of it then waits, without an error.
type Mapped struct {
	name    string
	control *os.File
	minor   uint32
}

// NewMapped makes a device over another one of that size.
func NewMapped(name, over string, size int64) (*Mapped, error) {
	if err := configfs.Modprobe("dm-mod"); err != nil {
		return nil, err
	}
	control, err := os.OpenFile("/dev/mapper/control", os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("device mapper: %w", err)
	}
	m := &Mapped{name: name, control: control}
	if err := m.create(over, size); err != nil {
		return nil, errors.Join(fmt.Errorf("device mapper: %s over %s: %w", name, over, err), m.Remove())
	}
	return m, nil
}

func (m *Mapped) create(over string, size int64) error {
	header, err := m.ioctl(unix.DM_DEV_CREATE, 0, nil)
	if err != nil {
		return err
	}
	m.minor = unix.Minor(header.Dev)
	if _, err := m.ioctl(unix.DM_TABLE_LOAD, 0, linear(over, size)); err != nil {
		return err
	}
	return m.Resume()
}

// linear is a table of one target, which is the other device.
func linear(over string, size int64) []byte {
	spec := unix.DmTargetSpec{Length: uint64(size >> 9)}
	copy(spec.Target_type[:], "linear")
	table, err := binary.Append(nil, binary.NativeEndian, spec)
	if err != nil {
		panic(err) // the type has a fixed size
	}
	table = append(table, over+" 0\x00"...)
	return append(table, make([]byte, (8-len(table)%8)%8)...)
}

// ioctl does one thing with the device. A table goes behind the header.
func (m *Mapped) ioctl(what uintptr, flags uint32, table []byte) (unix.DmIoctl, error) {
	header := unix.DmIoctl{Version: [3]uint32{unix.DM_VERSION_MAJOR}, Flags: flags}
	header.Data_start = uint32(unsafe.Sizeof(header))
	header.Data_size = header.Data_start + uint32(len(table))
	copy(header.Name[:], m.name)
	if len(table) > 0 {
		header.Target_count = 1
	}
	buffer := make([]byte, header.Data_size)
	*(*unix.DmIoctl)(unsafe.Pointer(&buffer[0])) = header
	copy(buffer[header.Data_start:], table)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, m.control.Fd(), what, uintptr(unsafe.Pointer(&buffer[0]))); errno != 0 {
		return header, errno
	}
	return *(*unix.DmIoctl)(unsafe.Pointer(&buffer[0])), nil
}

// Device is the device node.
func (m *Mapped) Device() string { return fmt.Sprintf("/dev/dm-%d", m.minor) }

// Suspend lets what is under way end, and what comes wait.
func (m *Mapped) Suspend() error {
	if _, err := m.ioctl(unix.DM_DEV_SUSPEND, unix.DM_SUSPEND_FLAG|unix.DM_SKIP_LOCKFS_FLAG, nil); err != nil {
		return fmt.Errorf("suspending %s: %w", m.name, err)
	}
	return nil
}

// Resume undoes Suspend.
func (m *Mapped) Resume() error {
	if _, err := m.ioctl(unix.DM_DEV_SUSPEND, 0, nil); err != nil {
		return fmt.Errorf("resuming %s: %w", m.name, err)
	}
	return nil
}

// Remove removes the device, and leaves the other one.
func (m *Mapped) Remove() error {
	_, err := m.ioctl(unix.DM_DEV_REMOVE, 0, nil)
	if errors.Is(err, unix.ENXIO) {
		err = nil // it was never made
	}
	return errors.Join(err, m.control.Close())
}
