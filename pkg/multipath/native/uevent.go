package native

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
	"k8s.io/klog/v2"
)

// kernelEvents is the multicast group on which the kernel itself speaks; the
// other one carries what udev made of it.
const kernelEvents = 1

// Hints calls look whenever the kernel says that something about an NVMe
// device changed, or requests fail over, until ctx ends.
func (e *Engine) Hints(ctx context.Context, look func()) error {
	var beside sync.WaitGroup
	beside.Go(func() {
		if err := e.failovers.watch(ctx, look); err != nil {
			klog.FromContext(ctx).Error(err, "Failovers give no hints; they are found by polling")
		}
	})
	if err := uevents(ctx, look); err != nil {
		return err // the other goes on
	}
	beside.Wait()
	return nil
}

// uevents calls look for the kernel's uevents. They are only a reason to look
// again: there is none for a lost path or an ANA change, hidden paths send none
// at all, and a full socket drops some (ENOBUFS, which is a hint as well).
func uevents(ctx context.Context, look func()) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return fmt.Errorf("uevent socket: %w", err)
	}
	sock := os.NewFile(uintptr(fd), "uevents")
	defer sock.Close()
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: kernelEvents}); err != nil {
		return fmt.Errorf("bind uevent socket: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { sock.Close() })
	defer stop()

	buf := make([]byte, 8192) // a uevent is at most 2 KiB of environment
	for {
		n, err := sock.Read(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS):
			look()
		case err != nil:
			return fmt.Errorf("read uevents: %w", err)
		case aboutNVMe(buf[:n]):
			look()
		}
	}
}

// aboutNVMe tells whether a uevent concerns an NVMe device: its first line is
// ACTION@DEVPATH.
func aboutNVMe(event []byte) bool {
	header, _, _ := bytes.Cut(event, []byte{0})
	return bytes.Contains(header, []byte("/nvme"))
}
