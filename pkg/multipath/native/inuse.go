package native

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/braid-csi/braid/pkg/multipath"
)

// useTimeout bounds the looking for users. Opening a block device may wait for
// a partition scan that a device without paths cannot answer.
const useTimeout = 10 * time.Second

// Ready tells whether the head's device node is there and leads to it.
func (e *Engine) Ready(h multipath.Head) error {
	if !isNode(h.Device, h.DevNum) {
		return fmt.Errorf("%s is not the node of device %s", h.Device, h.DevNum)
	}
	return nil
}

// InUse returns the name of the first of the heads that somebody uses, "" if
// nobody uses any. Three signs are looked for: another device holds it (LVM,
// RAID) or it is mounted, in whatever mount namespace, for both claim a device
// for themselves; its node is bound to a path, as that of a raw volume is; a
// process has it open. Processes outside of Braid's PID namespace show only if
// it shares the host's.
func (e *Engine) InUse(ctx context.Context, heads ...multipath.Head) (string, error) {
	if len(heads) == 0 {
		return "", nil
	}
	ended, err := e.looking.begin(heads)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, useTimeout)
	defer cancel()
	type answer struct {
		name string
		err  error
	}
	answers := make(chan answer, 1)
	go func() { // may hang with a device
		defer ended()
		for _, used := range []func([]multipath.Head) (string, error){e.held, e.claimed, e.bound, e.opened} {
			if name, err := used(heads); name != "" || err != nil {
				answers <- answer{name, err}
				return
			}
		}
		answers <- answer{}
	}()
	select {
	case a := <-answers:
		return a.name, a.err
	case <-ctx.Done():
		return "", fmt.Errorf("whether a device is in use: %w", context.Cause(ctx))
	}
}

// looking are the heads whose users are being looked for. A look that hangs
// with its device is not joined by another: nothing piles up. The zero value is
// ready.
type looking struct {
	mu    sync.Mutex
	heads map[string]bool
}

// begin notes that the heads are looked at until ended is called, or says that
// they are already.
func (l *looking) begin(heads []multipath.Head) (ended func(), err error) {
	var names []string
	for _, h := range heads {
		names = append(names, h.Name)
	}
	key := strings.Join(names, " ")
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.heads[key] {
		return nil, fmt.Errorf("whether %s is in use: who looked before is still waiting for the device", key)
	}
	if l.heads == nil {
		l.heads = map[string]bool{}
	}
	l.heads[key] = true
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.heads, key)
	}, nil
}

// held finds a device that another device is made of.
func (e *Engine) held(heads []multipath.Head) (string, error) {
	for _, h := range heads {
		holders, err := e.list(filepath.Join("block", h.Name, "holders"))
		if err != nil || len(holders) > 0 {
			return h.Name, err
		}
	}
	return "", nil
}

// claimed finds a device that somebody has for themselves.
func (e *Engine) claimed(heads []multipath.Head) (string, error) {
	for _, h := range heads {
		if !isNode(h.Device, h.DevNum) {
			continue // no node, or another device's: it cannot be asked
		}
		fd, err := unix.Open(h.Device, unix.O_RDONLY|unix.O_EXCL|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		switch err {
		case nil:
			unix.Close(fd)
		case unix.EBUSY:
			return h.Name, nil
		default:
			if err := ignoreGone(readError(h.Device, err)); err != nil {
				return "", err
			}
		}
	}
	return "", nil
}

// bound finds a device whose node is mounted on a path.
func (e *Engine) bound(heads []multipath.Head) (string, error) {
	f, err := os.Open(filepath.Join(e.proc, "self", "mountinfo"))
	if err != nil {
		return "", err
	}
	defer f.Close()
	mounts, err := mountinfo.GetMountsFromReader(f, func(i *mountinfo.Info) (skip, stop bool) {
		return i.Root == "/" || i.FSType != "devtmpfs" && i.FSType != "tmpfs", false
	})
	if err != nil {
		return "", err
	}
	paths := make([]string, len(mounts))
	for i, m := range mounts {
		paths[i] = m.Mountpoint
	}
	return nodeAmong(paths, heads), nil
}

// opened finds a device that a process has open.
func (e *Engine) opened(heads []multipath.Head) (string, error) {
	links, err := filepath.Glob(filepath.Join(e.proc, "[0-9]*", "fd", "*"))
	return nodeAmong(links, heads), err
}

// nodeAmong returns the name of the first head to whose node a path leads.
func nodeAmong(paths []string, heads []multipath.Head) string {
	for _, path := range paths {
		devNum, ok := blockDevice(path)
		if !ok {
			continue
		}
		for _, h := range heads {
			if h.DevNum == devNum {
				return h.Name
			}
		}
	}
	return ""
}

// isNode tells whether path leads to the node of a block device.
func isNode(path, devNum string) bool {
	got, ok := blockDevice(path)
	return ok && got == devNum
}

// blockDevice returns which block device a path leads to, if it does. It asks
// no server and no device: the path may be anybody's.
func blockDevice(path string) (devNum string, ok bool) {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, unix.AT_STATX_DONT_SYNC, unix.STATX_TYPE, &st); err != nil {
		return "", false
	}
	return fmt.Sprintf("%d:%d", st.Rdev_major, st.Rdev_minor), st.Mode&unix.S_IFMT == unix.S_IFBLK
}
