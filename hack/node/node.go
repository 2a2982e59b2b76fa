// Package node runs braid-node in a guest the way a node does, as a process of
// its own, and talks to it the way its users do: kubelet over CSI's socket,
// people over the command line.
package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/braid-csi/braid/hack/faultpoints"
	"github.com/braid-csi/braid/hack/guest"
	"github.com/braid-csi/braid/hack/poll"
)

// Binary is where braid-vm's -add puts braid-node.
const Binary = "/usr/bin/braid-node"

// faultpointsBinary is where it puts the braid-node that was built with fault
// points.
const faultpointsBinary = "/usr/bin/braid-node-faultpoints"

const (
	endpoint = "/run/braid/csi.sock"
	// Healthz is braid-node's liveness handler.
	Healthz = "http://127.0.0.1:9809/healthz"
	// readyTimeout is generous: the processor is emulated.
	readyTimeout = 30 * time.Second
	stopTimeout  = 20 * time.Second
)

// Config says how braid-node is run.
type Config struct {
	// StateDir is braid-node's -state-dir. Its last element names the log.
	StateDir string
	// ClearAfter is for how long findings outlive their condition.
	ClearAfter time.Duration
	// PollInterval is the time between two observations; braid-node's default
	// where zero.
	PollInterval time.Duration
	// LegacyVolumeCondition is the flag for kubelets up to 1.36.
	LegacyVolumeCondition bool
	// Zeroed are attributes of sysfs that braid-node, and nobody else, reads
	// as 0: what a kernel would look like that does not count.
	Zeroed []string
	// BPF has braid-node count failovers by its own program too. Without it
	// there is what the kernel counts, for scenarios that are about that.
	BPF bool
	// Faultpoints runs the braid-node that stops before each side effect.
	Faultpoints bool
}

// binary is the program that is run.
func (c Config) binary() string {
	if c.Faultpoints {
		return faultpointsBinary
	}
	return Binary
}

// Node is a braid-node that was started. One at a time may run.
type Node struct {
	Config
	Client
	cmd   *exec.Cmd
	ended chan exit // nil while none runs
}

// exit is how the process ended.
type exit struct{ err error }

// Start starts braid-node and waits until it is ready.
func Start(ctx context.Context, cfg Config) (*Node, error) {
	client, err := dial()
	if err != nil {
		return nil, err
	}
	n := &Node{Config: cfg, Client: client}
	return n, n.Start(ctx)
}

// Start starts it again after Kill or Stop.
func (n *Node) Start(ctx context.Context) error {
	// One process appends to what the one before left.
	log, err := os.OpenFile(n.LogFile(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	n.cmd = n.command()
	n.cmd.Stdout, n.cmd.Stderr = log, log
	if err := n.cmd.Start(); err != nil {
		return fmt.Errorf("starting braid-node: %w", err)
	}
	cmd, ended := n.cmd, make(chan exit, 1)
	n.ended = ended
	go func() { ended <- exit{cmd.Wait()} }()
	if err := n.waitReady(ctx); err != nil {
		return errors.Join(err, n.Kill())
	}
	return nil
}

func (n *Node) command() *exec.Cmd {
	args := []string{"serve", "-state-dir", n.StateDir, "-clear-after", n.ClearAfter.String(), "-node-id", "guest", "-v=2",
		fmt.Sprintf("-bpf=%t", n.BPF), fmt.Sprintf("-legacy-volume-condition=%t", n.LegacyVolumeCondition)}
	if n.PollInterval != 0 {
		args = append(args, "-poll-interval", n.PollInterval.String())
	}
	if len(n.Zeroed) == 0 {
		return exec.Command(n.binary(), args...)
	}
	// A mount namespace of its own, in which the attributes are another file.
	script := []string{"set -e", "mount --make-rprivate /sys", "echo 0 > /run/zero"}
	for _, file := range n.Zeroed {
		script = append(script, "mount --bind /run/zero "+file)
	}
	script = append(script, `exec "$@"`)
	cmd := exec.Command("sh", append([]string{"-c", strings.Join(script, "\n"), "sh", n.binary()}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	return cmd
}

// LogFile is kept as an artifact.
func (n *Node) LogFile() string {
	return filepath.Join(guest.OutDir, filepath.Base(n.StateDir)+".log")
}

var errNoError = errors.New("without an error")

// waitReady waits until Probe says so, or braid-node ended.
func (n *Node) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	var last error
	err := poll.Until(ctx, "braid-node to be ready", func() (bool, error) {
		select {
		case e := <-n.ended:
			n.ended <- e
			return false, fmt.Errorf("it ended: %w", cmp.Or(e.err, errNoError))
		default:
		}
		var ready bool
		ready, last = n.Ready(ctx)
		return last == nil && ready, nil
	})
	if err != nil {
		return errors.Join(err, last)
	}
	return nil
}

// PID is braid-node's process.
func (n *Node) PID() int { return n.cmd.Process.Pid }

// KillAll ends it with all processes it has started.
func (n *Node) KillAll() error { return errors.Join(faultpoints.Kill(n.binary()), n.Kill()) }

// Kill ends it as the kernel does when memory runs out.
func (n *Node) Kill() error {
	if n.ended == nil {
		return nil
	}
	if err := n.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-n.ended // that it was killed is no error
	n.ended = nil
	return nil
}

// Stop ends it as kubelet does, and wants it to end well and in time.
func (n *Node) Stop() error {
	if n.ended == nil {
		return nil
	}
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stopping braid-node: %w", err)
	}
	select {
	case e := <-n.ended:
		n.ended = nil
		if e.err != nil {
			return fmt.Errorf("braid-node told to stop: %w", e.err)
		}
		return nil
	case <-time.After(stopTimeout):
		return errors.Join(fmt.Errorf("braid-node told to stop still runs after %s", stopTimeout), n.Kill())
	}
}

// Close ends it for good.
func (n *Node) Close() error { return errors.Join(n.Kill(), n.conn.Close()) }

// Restart kills it and starts it again.
func (n *Node) Restart(ctx context.Context) error {
	if err := n.Kill(); err != nil {
		return err
	}
	return n.Start(ctx)
}
