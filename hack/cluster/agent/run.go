package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
)

// Command is a program to run on the node.
type Command struct {
	Args []string
	// Env is the whole environment; nil is that of the server.
	Env []string
	Dir string
	// Stdin may be nil, as in os/exec.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// command is what of it is sent.
type command struct {
	Args []string `json:"args"`
	Env  []string `json:"env,omitempty"`
	Dir  string   `json:"dir,omitempty"`
}

// ExitError is a program's exit status that is not zero.
type ExitError struct {
	Args   []string
	Exit   int
	Stderr string
}

func (e *ExitError) Error() string {
	return fmt.Sprintf("%s: exit status %d: %s", strings.Join(e.Args, " "), e.Exit, strings.TrimSpace(e.Stderr))
}

// Run runs a program over the connection, which it closes. The end of ctx ends
// the program.
func Run(ctx context.Context, conn net.Conn, c Command) error {
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	exit, stderr, err := exchange(conn, c)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", strings.Join(c.Args, " "), context.Cause(ctx))
	case err != nil:
		return fmt.Errorf("%s: %w", strings.Join(c.Args, " "), err)
	case exit != 0:
		return &ExitError{Args: c.Args, Exit: exit, Stderr: stderr}
	}
	return nil
}

func exchange(conn net.Conn, c Command) (exit int, stderr string, err error) {
	w := &writer{w: conn}
	if err := w.sendJSON(request, command{Args: c.Args, Env: c.Env, Dir: c.Dir}); err != nil {
		return 0, "", err
	}
	go func() {
		if c.Stdin != nil {
			// Input that cannot be read ends like any other: the program's
			// output tells more than a broken connection.
			_, _ = io.Copy(stream{w, input}, c.Stdin)
		}
		_ = w.send(endOfInput, nil)
	}()
	var quoted tail
	for {
		k, payload, err := receive(conn)
		if err != nil {
			return 0, "", fmt.Errorf("connection to the node: %w", err)
		}
		switch k {
		case output:
			err = pass(c.Stdout, payload)
		case errorOutput:
			quoted.add(payload)
			err = pass(c.Stderr, payload)
		case result:
			var o outcome
			if err := json.Unmarshal(payload, &o); err != nil {
				return 0, "", err
			}
			if o.Error != "" {
				return 0, "", fmt.Errorf("on the node: %s", o.Error)
			}
			return o.Exit, quoted.String(), nil
		}
		if err != nil {
			return 0, "", err
		}
	}
}

func pass(to io.Writer, p []byte) error {
	if to == nil {
		return nil
	}
	_, err := to.Write(p)
	return err
}

// tail keeps the end of what an error quotes.
type tail struct{ bytes.Buffer }

func (t *tail) add(p []byte) {
	const enough = 4096
	t.Write(p)
	if t.Len() > enough {
		t.Next(t.Len() - enough)
	}
}
