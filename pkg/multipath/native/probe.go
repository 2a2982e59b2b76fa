package native

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/braid-csi/braid/pkg/multipath"
)

// adminCommand is struct nvme_passthru_cmd (Linux include/uapi/linux/nvme_ioctl.h).
type adminCommand struct {
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
	ioctlAdmin         = 0xC0484E41 // NVME_IOCTL_ADMIN_CMD: _IOWR('N', 0x41, struct nvme_passthru_cmd)
	opcodeIdentify     = 0x06
	identifyController = 1    // CNS
	identifySize       = 4096 // NVM Express Base 2.0, figure 275
)

// Probe asks a controller to identify itself, 4 KiB of data, in a process of its
// own: the kernel waits for the answer as for any admin command, a minute, and
// resets the controller if none comes. What it returns waits for the answer no
// longer than limit, from when the controller was asked: multipath.ErrNoAnswer.
func (e *Engine) Probe(c multipath.Controller, limit time.Duration) (wait func(context.Context) error, err error) {
	w, err := e.writes.begin(c, "identify", func(inode uint64) (<-chan result, error) {
		return e.start(job{Identify: c.Name, Dev: e.dev, Inode: inode})
	})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		select {
		case <-w.begun:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		ctx, cancel := context.WithTimeoutCause(ctx, limit, multipath.ErrNoAnswer)
		defer cancel()
		return w.wait(ctx)
	}, nil
}

// identify has a controller identify itself, ENODEV if it is gone.
func (j job) identify() error {
	fd, err := unix.Open(filepath.Join(j.Dev, j.Identify), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return unix.ENODEV
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	// The controller that the node belongs to stays as long as it is open, so it
	// is enough that the name leads to the right one now.
	dir, err := j.open(j.Identify)
	if err != nil {
		return err
	}
	unix.Close(dir)
	data := make([]byte, identifySize)
	command := adminCommand{opcode: opcodeIdentify, address: uint64(uintptr(unsafe.Pointer(&data[0]))), addressLen: identifySize, cdw10: identifyController}
	status, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), ioctlAdmin, uintptr(unsafe.Pointer(&command)))
	runtime.KeepAlive(data)
	switch {
	case errno != 0:
		return errno
	case status != 0:
		return fmt.Errorf("identify: NVMe status %#x", status)
	}
	return nil
}
