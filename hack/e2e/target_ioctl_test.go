package e2e

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// adminCommand is struct nvme_admin_cmd of include/uapi/linux/nvme_ioctl.h.
type adminCommand struct {
	opcode, flags                            uint8
	_                                        uint16
	nsid, cdw2, cdw3                         uint32
	metadata, addr                           uint64
	metadataLen, dataLen                     uint32
	cdw10, cdw11, cdw12, cdw13, cdw14, cdw15 uint32
	timeoutMS, result                        uint32
}

// ioctlAdminCommand is NVME_IOCTL_ADMIN_CMD.
const ioctlAdminCommand = 0xc0484e41

// getLog reads a log page through a controller's character device, as nvme-cli
// does.
func getLog(f *os.File, log uint8, b []byte) error {
	dwords := uint32(len(b)/4 - 1)
	c := adminCommand{
		opcode: 0x02, addr: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))), dataLen: uint32(len(b)),
		cdw10: uint32(log) | dwords<<16, cdw11: dwords >> 16,
	}
	status, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), ioctlAdminCommand, uintptr(unsafe.Pointer(&c)))
	if errno != 0 {
		return fmt.Errorf("log 0x%02x: %w", log, errno)
	}
	if status != 0 {
		return fmt.Errorf("log 0x%02x: status 0x%x", log, status)
	}
	return nil
}
