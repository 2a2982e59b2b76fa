package native

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/braid-csi/braid/pkg/multipath"
)

// openTimeout bounds the opening of a block device, which waits for a
// partition scan that a device without paths cannot answer.
const openTimeout = 5 * time.Second

// Ready tells whether the head's device node is there and leads to it.
func (e *Engine) Ready(h multipath.Head) error {
	if !isNode(h.Device, h.DevNum) {
		return fmt.Errorf("%s is not the node of device %s", h.Device, h.DevNum)
	}
	return nil
}

// InUse tells whether somebody uses the head. Three signs are looked for:
// another device holds it (LVM, RAID) or it is mounted, in whatever mount
// namespace, for both claim a device for themselves; its node is bound to a
// path, as that of a raw volume is; a process has it open. Processes outside
// of Braid's PID namespace show only if it shares the host's.
func (e *Engine) InUse(ctx context.Context, h multipath.Head) (bool, error) {
	holders, err := e.list(filepath.Join("block", h.Name, "holders"))
	if err != nil || len(holders) > 0 {
		return len(holders) > 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	type answer struct {
		busy bool
		err  error
	}
	answers := make(chan answer, 1)
	go func() { // may hang with the device
		for _, used := range []func(multipath.Head) (bool, error){e.claimed, e.bound, e.opened} {
			if busy, err := used(h); busy || err != nil {
				answers <- answer{busy, err}
				return
			}
		}
		answers <- answer{}
	}()
	select {
	case a := <-answers:
		return a.busy, a.err
	case <-ctx.Done():
		return false, fmt.Errorf("whether %s is in use: %w", h.Device, context.Cause(ctx))
	}
}

// claimed tells whether somebody has the device for themselves.
func (e *Engine) claimed(h multipath.Head) (bool, error) {
	if !isNode(h.Device, h.DevNum) {
		return false, nil // no node, or another device's: it cannot be asked
	}
	fd, err := unix.Open(h.Device, unix.O_RDONLY|unix.O_EXCL|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	switch err {
	case nil:
		return false, unix.Close(fd)
	case unix.EBUSY:
		return true, nil
	}
	return false, ignoreGone(readError(h.Device, err))
}

// bound tells whether the device's node is mounted on a path.
func (e *Engine) bound(h multipath.Head) (bool, error) {
	f, err := os.Open(filepath.Join(e.proc, "self", "mountinfo"))
	if err != nil {
		return false, err
	}
	defer f.Close()
	mounts, err := mountinfo.GetMountsFromReader(f, func(i *mountinfo.Info) (skip, stop bool) {
		return i.Root == "/" || i.FSType != "devtmpfs" && i.FSType != "tmpfs", false
	})
	if err != nil {
		return false, err
	}
	for _, m := range mounts {
		if isNode(m.Mountpoint, h.DevNum) {
			return true, nil
		}
	}
	return false, nil
}

// opened tells whether a process has the device open.
func (e *Engine) opened(h multipath.Head) (bool, error) {
	links, err := filepath.Glob(filepath.Join(e.proc, "[0-9]*", "fd", "*"))
	if err != nil {
		return false, err
	}
	for _, link := range links {
		if isNode(link, h.DevNum) {
			return true, nil
		}
	}
	return false, nil
}

// isNode tells whether path leads to the node of a block device. It asks no
// server and no device: the file may be anybody's.
func isNode(path, devNum string) bool {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_STATX_DONT_SYNC, unix.STATX_TYPE, &st)
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFBLK && fmt.Sprintf("%d:%d", st.Rdev_major, st.Rdev_minor) == devNum
}
