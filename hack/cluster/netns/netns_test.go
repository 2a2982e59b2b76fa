package netns

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func newNamespace(t *testing.T) *Namespace {
	t.Helper()
	n, err := New()
	if errors.Is(err, unix.EPERM) {
		t.Skip("needs root")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n
}

// TestDial: who listens inside is reached from inside only.
func TestDial(t *testing.T) {
	n := newNamespace(t)
	if err := n.Address("lo", "192.0.2.1/32"); err != nil {
		t.Fatal(err)
	}
	var l net.Listener
	err := n.Do(func() (err error) {
		l, err = net.Listen("tcp", "192.0.2.1:0")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		conn, err := l.Accept()
		if err == nil {
			_, _ = io.WriteString(conn, "inside")
			_ = conn.Close()
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	conn, err := n.Dial(ctx, "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if got, err := io.ReadAll(conn); err != nil || string(got) != "inside" {
		t.Errorf("read %q, %v", got, err)
	}
	if outside, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String()); err == nil {
		_ = outside.Close()
		t.Error("reached from outside")
	}
}

func TestRun(t *testing.T) {
	n := newNamespace(t)
	var out strings.Builder
	cmd := exec.CommandContext(t.Context(), "cat", "/proc/net/dev")
	cmd.Stdout = &out
	if err := n.Run(cmd); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(out.String(), "\n"); lines != 3 || !strings.Contains(out.String(), "lo:") {
		t.Errorf("a program inside sees\n%swant lo only", &out)
	}
	if cmd.SysProcAttr.Pdeathsig != syscall.SIGKILL {
		t.Error("the program outlives us")
	}
}

// TestTap: closing the file is all it takes.
func TestTap(t *testing.T) {
	n := newNamespace(t)
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skip(err)
	}
	tap, err := n.Tap("tap0")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Address("tap0", "192.0.2.1/24"); err != nil {
		t.Error(err)
	}
	tap.Close()
	if err := n.Address("tap0", "192.0.2.2/24"); err == nil {
		t.Error("the interface is still there")
	}
}
