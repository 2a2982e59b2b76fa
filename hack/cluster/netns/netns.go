// Package netns holds a network namespace that exists only as long as this
// process, and the processes that run in it.
package netns

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Namespace is a network namespace without a name: it ends with the last
// process in it, and so do its interfaces.
type Namespace struct {
	file *os.File
}

// New makes a namespace whose only interface is lo, which is up.
func New() (*Namespace, error) {
	n := &Namespace{}
	err := onThread(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("new network namespace (needs root): %w", err)
		}
		n.file, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	if err != nil {
		return nil, err
	}
	err = n.Do(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(lo)
	})
	if err != nil {
		n.Close()
		return nil, fmt.Errorf("lo: %w", err)
	}
	return n, nil
}

// Close lets go of the namespace.
func (n *Namespace) Close() { n.file.Close() }

// Do calls f inside the namespace. What f starts itself, goroutines for one,
// is not.
func (n *Namespace) Do(f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("entering the network namespace: %w", err)
		}
		return f()
	})
}

// Run runs a program inside the namespace. The program ends with us, however
// we end.
func (n *Namespace) Run(cmd *exec.Cmd) error {
	return n.Do(func() error {
		// The signal is sent when this thread ends, and this thread waits for
		// the program.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		return cmd.Run()
	})
}

// Dial connects to an address of the namespace, which must be a number: a name
// would be looked up on another thread.
func (n *Namespace) Dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	err = n.Do(func() (err error) {
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// onThread calls f on a thread of its own. The runtime ends a thread whose
// goroutine ends without unlocking it, so nothing else ever runs there.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}
