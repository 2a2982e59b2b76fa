package node

import (
	"context"
	"io"
	"os/exec"
	"time"
)

// again is how long a service stays down, as under systemd.
const again = time.Second

// keep runs a service, and starts it again whenever it ends: tests end the
// kubelet to see what its restart does.
func keep(ctx context.Context, log io.Writer, name string, args ...string) {
	for {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Stdout, cmd.Stderr = log, log
		err := cmd.Run()
		if ctx.Err() != nil {
			return
		}
		say("%s ended (%v), starting it again", name, err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(again):
		}
	}
}
