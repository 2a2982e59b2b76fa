package native

import (
	"fmt"
	"path/filepath"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// command is struct nvme_passthru_cmd (Linux include/uapi/linux/nvme_ioctl.h).
type command struct {
	opcode, flags           uint8
	_                       uint16
	nsid, cdw2, cdw3        uint32
	metadata, address       uint64
	metadataLen, addressLen uint32
	cdw10, cdw11, cdw12     uint32
	cdw13, cdw14, cdw15     uint32
	timeout, result         uint32
}

const (
	ioctlAdmin = 0xC0484E41 // NVME_IOCTL_ADMIN_CMD: _IOWR('N', 0x41, struct nvme_passthru_cmd)
	ioctlIO    = 0xC0484E43 // NVME_IOCTL_IO_CMD: _IOWR('N', 0x43, struct nvme_passthru_cmd)
)

// openNode opens a controller's device node, ENODEV if it is gone or another
// one's.
func (j job) openNode(controller string) (fd int, err error) {
	fd, err = unix.Open(filepath.Join(j.Dev, controller), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return -1, unix.ENODEV
	}
	if err != nil {
		return -1, err
	}
	// The controller that the node belongs to stays as long as it is open, so it
	// is enough that the name leads to the right one now.
	dir, err := j.open(controller)
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	unix.Close(dir)
	return fd, nil
}

// passThrough has a controller carry out a command that answers with so many
// bytes, and waits for it as long as the kernel does.
func passThrough(fd int, ioctl uintptr, c command, size int) error {
	data := make([]byte, size)
	c.address, c.addressLen = uint64(uintptr(unsafe.Pointer(&data[0]))), uint32(size)
	status, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), ioctl, uintptr(unsafe.Pointer(&c)))
	runtime.KeepAlive(data)
	switch {
	case errno != 0:
		return errno
	case status != 0:
		return fmt.Errorf("opcode %#x: NVMe status %#x", c.opcode, status)
	}
	return nil
}
