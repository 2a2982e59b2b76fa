package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"time"
)

// outcome is how a program ended.
type outcome struct {
	Exit int `json:"exit"`
	// Error says why there is no exit status.
	Error string `json:"error,omitempty"`
}

// Serve answers until the listener is closed. It does as root whatever it is
// told, so it belongs in test machines only.
func Serve(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go serve(conn)
	}
}

func serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	w := &writer{w: conn}
	k, payload, err := receive(conn)
	var c command
	switch {
	case err != nil:
		return // nobody to tell
	case k != request:
		err = fmt.Errorf("frame of kind %d instead of a request", k)
	default:
		err = json.Unmarshal(payload, &c)
	}
	if err == nil && len(c.Args) == 0 {
		err = errors.New("no program")
	}
	if err != nil {
		_ = w.sendJSON(result, outcome{Error: err.Error()})
		return
	}
	_ = w.sendJSON(result, run(conn, w, c)) // the client may be gone
}

func run(conn io.Reader, w *writer, c command) outcome {
	ctx, hangUp := context.WithCancel(context.Background())
	defer hangUp()
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Dir, cmd.Env = c.Dir, c.Env
	cmd.Stdout, cmd.Stderr = stream{w, output}, stream{w, errorOutput}
	// Something the program left behind may hold its output open for ever.
	cmd.WaitDelay = 5 * time.Second
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return outcome{Error: err.Error()}
	}
	if err := cmd.Start(); err != nil {
		return outcome{Error: err.Error()}
	}
	go func() {
		defer hangUp()
		feed(conn, stdin)
	}()
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		return outcome{Error: err.Error()}
	}
	return outcome{Exit: cmd.ProcessState.ExitCode()}
}

// feed passes on the program's input, and returns when the client hangs up.
func feed(conn io.Reader, stdin io.WriteCloser) {
	for {
		k, payload, err := receive(conn)
		switch {
		case err != nil:
			return
		case k == input:
			_, _ = stdin.Write(payload) // a program need not read its input
		case k == endOfInput:
			_ = stdin.Close()
		}
	}
}
