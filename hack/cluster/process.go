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

// process is a program of the control plane. If it ends before it is told to,
// so does the cluster.
type process struct {
	cluster *Cluster
	name    string
	program string
	args    []string
	// running is nil while it does not.
	running *run
}

// run is the time between a program's start and its end.
type run struct {
	stop  context.CancelFunc
	ended chan struct{}
}

// start runs a program of the control plane until the cluster ends.
func (c *Cluster) start(name, program string, args ...string) (*process, error) {
	p := &process{cluster: c, name: name, program: program, args: args}
	// A folder may hold the log of a cluster before this one.
	if err := os.RemoveAll(p.log()); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, p.start()
}

func (p *process) log() string { return filepath.Join(p.cluster.Logs, p.name+".log") }

func (p *process) start() error {
	if p.running != nil {
		return fmt.Errorf("%s runs already", p.name)
	}
	c := p.cluster
	log, err := os.OpenFile(p.log(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	ctx, stop := context.WithCancel(c.life)
	p.running = &run{stop: stop, ended: make(chan struct{})}
	cmd := exec.CommandContext(ctx, p.program, p.args...)
	cmd.Dir = c.state.dir
	cmd.Env = []string{"HOME=" + c.state.dir, "PATH=/usr/sbin:/usr/bin"}
	cmd.Stdout, cmd.Stderr = log, log
	ended := p.running.ended
	c.running.Go(func() {
		defer close(ended)
		defer log.Close()
		err := cmp.Or(c.network.Run(cmd), errEnded)
		if ctx.Err() != nil {
			return // as it was told to
		}
		c.end(fmt.Errorf("%s: %w%s", p.name, err, quote(p.log())))
	})
	return nil
}

// kill ends the program and returns when it has.
func (p *process) kill() {
	if p.running == nil {
		return
	}
	p.running.stop()
	<-p.running.ended
	p.running = nil
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
