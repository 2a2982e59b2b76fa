package node

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

// FaultpointsBinary is where braid-vm's -add puts the braid-node that was built
// with fault points.
const FaultpointsBinary = "/usr/bin/braid-node-faultpoints"

// Faultpoints is who a braid-node with fault points asks before each side
// effect, until it is closed.
type Faultpoints struct {
	listener net.Listener
	asking   sync.WaitGroup
	steps    []string
}

// ListenFaultpoints calls before, one call at a time, with each step that is
// about to be done and its number from 1. The step waits until before returns.
func ListenFaultpoints(before func(n int, step string)) (*Faultpoints, error) {
	if err := os.RemoveAll(faultpoint.Socket); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", faultpoint.Socket)
	if err != nil {
		return nil, fmt.Errorf("fault points: %w", err)
	}
	f := &Faultpoints{listener: l}
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

func (f *Faultpoints) ask(conn net.Conn, before func(int, string)) {
	defer func() { _ = conn.Close() }()
	step, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return // who asked has died
	}
	f.steps = append(f.steps, strings.TrimSpace(step))
	before(len(f.steps), f.steps[len(f.steps)-1])
}

// Close lets everything go on from now, and returns the steps there were.
func (f *Faultpoints) Close() ([]string, error) {
	err := f.listener.Close()
	f.asking.Wait()
	return f.steps, err
}

// KillAll ends braid-node with all processes it has started, as the kernel does
// to a container: a child that writes to the kernel dies too, unless the kernel
// is at it.
func (n *Node) KillAll() error {
	processes, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		return err
	}
	for _, exe := range processes {
		if of, err := os.Readlink(exe); err != nil || of != n.binary() {
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
	return n.Kill()
}
