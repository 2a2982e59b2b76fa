package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/poll"
)

func dial(t *testing.T) net.Conn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = Serve(l) }()
	t.Cleanup(func() { _ = l.Close() })
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestRun(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 1<<17) // two frames
	for name, tt := range map[string]struct {
		script, stdin  string
		stdout, stderr string
		exit           int
	}{
		"output":           {script: "echo out; echo err >&2; pwd", stdout: "out\n/\n", stderr: "err\n"},
		"exit status":      {script: "echo no >&2; exit 3", stderr: "no\n", exit: 3},
		"input":            {script: "cat", stdin: big, stdout: big},
		"input not read":   {script: "echo done", stdin: big, stdout: "done\n"},
		"a process stays":  {script: "sleep 1 >/dev/null 2>&1 & echo started", stdout: "started\n"},
		"environment kept": {script: "echo $ONE", stdout: "1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			err := Run(t.Context(), dial(t), Command{
				Args: []string{"/bin/sh", "-c", tt.script}, Env: []string{"ONE=1", "PATH=/bin:/usr/bin"}, Dir: "/",
				Stdin: strings.NewReader(tt.stdin), Stdout: &stdout, Stderr: &stderr,
			})
			var exit *ExitError
			switch {
			case tt.exit == 0 && err != nil:
				t.Fatal(err)
			case tt.exit != 0 && (!errors.As(err, &exit) || exit.Exit != tt.exit || exit.Stderr != tt.stderr):
				t.Fatalf("error %v, want exit status %d", err, tt.exit)
			}
			if stdout.String() != tt.stdout || stderr.String() != tt.stderr {
				t.Errorf("output %.40q, errors %.40q; want %.40q, %.40q", &stdout, &stderr, tt.stdout, tt.stderr)
			}
		})
	}
}

func TestNoSuchProgram(t *testing.T) {
	err := Run(t.Context(), dial(t), Command{Args: []string{"/no/such"}})
	if err == nil || !strings.Contains(err.Error(), "/no/such: no such file") {
		t.Errorf("error %v", err)
	}
}

// TestHangUp: what a cancelled call started ends.
func TestHangUp(t *testing.T) {
	file := t.TempDir() + "/pid"
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	conn := dial(t)
	go func() {
		done <- Run(ctx, conn, Command{Args: []string{"/bin/sh", "-c", "echo $$ >" + file + "; exec sleep 60"}})
	}()
	var pid int
	wait(t, "the program's start", func() bool {
		b, _ := os.ReadFile(file)
		_, err := fmt.Sscan(string(b), &pid)
		return err == nil
	})
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	wait(t, "the program's end", func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) })
}

func wait(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := poll.Until(ctx, what, func() (bool, error) { return done(), nil }); err != nil {
		t.Fatal(err)
	}
}
