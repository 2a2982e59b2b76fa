package native

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/braid-csi/braid/pkg/multipath"
)

// openTimeout bounds the opening of a block device, which waits for a
// partition scan that a device without paths cannot answer.
const openTimeout = 5 * time.Second

// Ready tells whether the head's device node is there and leads to it.
func (e *Engine) Ready(h multipath.Head) error {
	var st unix.Stat_t
	if err := unix.Stat(h.Device, &st); err != nil {
		return fmt.Errorf("%s: %w", h.Device, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return fmt.Errorf("%s is no block device", h.Device)
	}
	if got := fmt.Sprintf("%d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev)); got != h.DevNum {
		return fmt.Errorf("%s is device %s, the kernel says %s", h.Device, got, h.DevNum)
	}
	return nil
}

// InUse tells whether the head is mounted anywhere, in whatever mount
// namespace, or held by another device (LVM, RAID): both claim a device for
// themselves, so that an exclusive opening fails. Who merely has it open does
// not show.
func (e *Engine) InUse(ctx context.Context, h multipath.Head) (bool, error) {
	holders, err := e.list(filepath.Join("block", h.Name, "holders"))
	if err != nil || len(holders) > 0 {
		return len(holders) > 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	opened := make(chan error, 1)
	go func() {
		fd, err := unix.Open(h.Device, unix.O_RDONLY|unix.O_EXCL|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err == nil {
			unix.Close(fd)
		}
		opened <- err
	}()
	select {
	case err := <-opened:
		switch {
		case err == nil, errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV):
			return false, nil
		case errors.Is(err, unix.EBUSY):
			return true, nil
		}
		return false, fmt.Errorf("open %s: %w", h.Device, err)
	case <-ctx.Done():
		return false, fmt.Errorf("open %s: %w", h.Device, context.Cause(ctx))
	}
}
