package blockdev

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/braid-csi/braid/hack/configfs"
)

// Loop is a loop device over a sparse file, which can grow.
type Loop struct {
	file   *os.File
	device *os.File
}

// NewLoop makes a loop device of that size over a file of the temporary folder,
// which is memory in a guest.
func NewLoop(size int64) (*Loop, error) {
	if err := configfs.Modprobe("loop"); err != nil {
		return nil, err
	}
	file, err := os.CreateTemp("", "loop-")
	if err != nil {
		return nil, fmt.Errorf("loop: %w", err)
	}
	l := &Loop{file: file}
	if err := l.attach(size); err != nil {
		return nil, errors.Join(fmt.Errorf("loop over %s: %w", file.Name(), err), l.Remove())
	}
	return l, nil
}

func (l *Loop) attach(size int64) error {
	if err := l.file.Truncate(size); err != nil {
		return err
	}
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer control.Close()
	for {
		index, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return fmt.Errorf("finding a free device: %w", err)
		}
		dev, err := os.OpenFile(fmt.Sprintf("/dev/loop%d", index), os.O_RDWR, 0)
		if err != nil {
			return err
		}
		err = unix.IoctlLoopConfigure(int(dev.Fd()), &unix.LoopConfig{Fd: uint32(l.file.Fd())})
		if err == nil {
			l.device = dev
			return nil
		}
		dev.Close()
		if !errors.Is(err, unix.EBUSY) { // another process may have taken it
			return fmt.Errorf("configuring %s: %w", dev.Name(), err)
		}
	}
}

// Device is the device node.
func (l *Loop) Device() string { return l.device.Name() }

// Resize grows the file and makes the device notice.
func (l *Loop) Resize(size int64) error {
	if err := l.file.Truncate(size); err != nil {
		return fmt.Errorf("loop: %w", err)
	}
	if err := unix.IoctlSetInt(int(l.device.Fd()), unix.LOOP_SET_CAPACITY, 0); err != nil {
		return fmt.Errorf("resizing %s: %w", l.Device(), err)
	}
	return nil
}

// Remove detaches the device and deletes the file.
func (l *Loop) Remove() error {
	var errs []error
	if l.device != nil {
		errs = append(errs, unix.IoctlSetInt(int(l.device.Fd()), unix.LOOP_CLR_FD, 0), l.device.Close())
	}
	errs = append(errs, l.file.Close(), os.Remove(l.file.Name()))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("loop: %w", err)
	}
	return nil
}
