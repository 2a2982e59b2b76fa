package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/braid-csi/braid/hack/poll"
)

// stragglers is how long processes the program left behind get to die. One that
// waits for a dead path cannot.
const stragglers = 2 * time.Second

// run runs the program to its end, and ends everything it left running.
func run(c Command, stdout, stderr io.Writer) Status {
	var out streams
	defer out.drain()
	pid, err := start(c, &out, stdout, stderr)
	out.closeWriters()
	if err != nil {
		return Status{Exit: 127, Error: err.Error()}
	}
	defer killRest()
	return wait(pid)
}

func start(c Command, out *streams, stdout, stderr io.Writer) (int, error) {
	program, err := exec.LookPath(c.Args[0])
	if err != nil {
		return 0, err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	files := []uintptr{null.Fd()}
	// Pipes rather than the ports themselves: a port can be opened only once,
	// and programs do open /dev/stderr.
	for _, to := range []io.Writer{stdout, stderr} {
		w, err := out.pipe(to)
		if err != nil {
			return 0, err
		}
		files = append(files, w.Fd())
	}
	pid, err := syscall.ForkExec(program, c.Args, &syscall.ProcAttr{
		Dir: c.Dir, Env: c.Env, Files: files, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return 0, fmt.Errorf("starting %s: %w", program, err)
	}
	return pid, nil
}

// wait reaps every process that ends, as the first process must, until it is
// the program.
func wait(pid int) Status {
	for {
		var ws unix.WaitStatus
		ended, err := unix.Wait4(-1, &ws, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return Status{Exit: 127, Error: fmt.Sprintf("waiting for the program: %v", err)}
		case ended == pid && ws.Exited():
			return Status{Exit: ws.ExitStatus()}
		case ended == pid && ws.Signaled():
			return Status{Exit: 128 + int(ws.Signal())}
		}
	}
}

// killRest ends what the program left running, so that its output is complete.
func killRest() {
	ctx, cancel := context.WithTimeout(context.Background(), stragglers)
	defer cancel()
	_ = poll.Until(ctx, "what is left to end", func() (bool, error) {
		if err := unix.Kill(-1, unix.SIGKILL); errors.Is(err, unix.ESRCH) {
			return true, nil
		}
		for {
			pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
			if pid <= 0 {
				return errors.Is(err, unix.ECHILD), nil
			}
		}
	}) // what cannot die must not keep the machine
}

// streams copies the program's output to the ports.
type streams struct {
	writers []*os.File
	copying sync.WaitGroup
}

func (s *streams) pipe(to io.Writer) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	s.writers = append(s.writers, w)
	s.copying.Go(func() {
		defer r.Close()
		if _, err := io.Copy(to, r); err != nil {
			fmt.Fprintf(os.Stderr, "braid guest: copying output: %v\n", err)
		}
	})
	return w, nil
}

// closeWriters leaves the program as the only one with the writing ends.
func (s *streams) closeWriters() {
	for _, w := range s.writers {
		w.Close()
	}
}

// drain waits until all output is with the host, or a process that will not die
// holds a pipe open.
func (s *streams) drain() {
	done := make(chan struct{})
	go func() { s.copying.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(stragglers):
	}
}
