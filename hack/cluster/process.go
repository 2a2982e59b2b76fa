package cluster

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// errEnded is for what should not end, and does so without an error.
var errEnded = errors.New("ended by itself")

// start runs a program of the control plane until the cluster ends. If it ends
// before, so does the cluster.
func (c *Cluster) start(name, program string, args ...string) error {
	file := filepath.Join(c.Logs, name+".log")
	log, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	cmd := exec.CommandContext(c.life, program, args...)
	cmd.Dir = c.state.dir
	cmd.Env = []string{"HOME=" + c.state.dir, "PATH=/usr/sbin:/usr/bin"}
	cmd.Stdout, cmd.Stderr = log, log
	c.running.Go(func() {
		defer log.Close()
		err := cmp.Or(c.network.Run(cmd), errEnded)
		c.end(fmt.Errorf("%s: %w%s", name, err, quote(file)))
	})
	return nil
}

// quote is the end of a log, for an error.
func quote(file string) string {
	const lines = 15
	b, err := os.ReadFile(file)
	if err != nil || len(bytes.TrimSpace(b)) == 0 {
		return ""
	}
	all := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	last := all[max(0, len(all)-lines):]
	return fmt.Sprintf("\nend of %s:\n  | %s", filepath.Base(file), bytes.Join(last, []byte("\n  | ")))
}

// cause is why an operation failed: the end of the cluster, if it has come,
// explains more than what could not be reached then.
func (c *Cluster) cause(err error) error {
	if err != nil && c.life.Err() != nil {
		return context.Cause(c.life)
	}
	return err
}
