// Package faultpoints is who a braid-node with fault points asks before each of
// its side effects, and may end it there: see package faultpoint.
package faultpoints

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/braid-csi/braid/pkg/faultpoint"
)

// Listener is who is asked, until it is closed.
type Listener struct {
	listener net.Listener
	asking   sync.WaitGroup
	steps    []string
}

// Listen calls before, one call at a time, with each step that is about to be
// done and its number from 1. The step waits until before returns.
func Listen(before func(n int, step string)) (*Listener, error) {
	if err := os.MkdirAll(filepath.Dir(faultpoint.Socket), 0o700); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(faultpoint.Socket); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", faultpoint.Socket)
	if err != nil {
		return nil, fmt.Errorf("fault points: %w", err)
	}
	f := &Listener{listener: l}
	f.asking.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed
			}
			f.ask(conn, before)
		}
	})
	return f, nil
}

func (f *Listener) ask(conn net.Conn, before func(int, string)) {
	defer func() { _ = conn.Close() }()
	step, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return // who asked has died
	}
	f.steps = append(f.steps, strings.TrimSpace(step))
	before(len(f.steps), f.steps[len(f.steps)-1])
}

// Close lets everything go on from now, and returns the steps there were.
func (f *Listener) Close() ([]string, error) {
	err := f.listener.Close()
	f.asking.Wait()
	return f.steps, err
}

// Kill ends all processes of a program, as the kernel does to a container: a
// child that writes to the kernel dies too, unless the kernel is at it. The
// program is named as it is where it runs, in a container or not.
func Kill(program string) error {
	processes, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		return err
	}
	for _, exe := range processes {
		if of, err := os.Readlink(exe); err != nil || of != program {
			continue // not one of them, or gone
		}
		var pid int
		if _, err := fmt.Sscanf(exe, "/proc/%d/exe", &pid); err != nil {
			return err
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
			return fmt.Errorf("killing %d: %w", pid, err)
		}
	}
	return nil
}
