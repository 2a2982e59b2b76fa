package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"github.com/braid-csi/braid/pkg/target"
)

// maxLine is the longest request, in bytes.
const maxLine = 64 << 10

// Listen makes the socket, which only its owner can reach, in the place of one
// that an earlier run left behind.
func Listen(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Serve answers requests until ctx ends.
func Serve(ctx context.Context, l net.Listener, t *target.Target) error {
	ctx, cancel := context.WithCancel(ctx)
	var conns sync.WaitGroup
	defer conns.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		conns.Go(func() {
			stop := context.AfterFunc(ctx, func() { _ = c.Close() })
			defer stop()
			defer func() { _ = c.Close() }()
			answer(c, t)
		})
	}
}

// answer answers the requests of one caller.
func answer(c net.Conn, t *target.Target) {
	lines := bufio.NewScanner(c)
	lines.Buffer(nil, maxLine)
	out := json.NewEncoder(c)
	for lines.Scan() {
		if out.Encode(perform(t, lines.Bytes())) != nil {
			return // the caller is gone
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		_ = out.Encode(Answer{Error: fmt.Sprintf("request: longer than %d bytes", maxLine)}) // and that was all
	}
}
