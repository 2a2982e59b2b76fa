package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"github.com/braid-csi/braid/hack/cluster"
	"github.com/braid-csi/braid/hack/cluster/agent"
)

// exitStatus is that of the user's program, which becomes ours.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// runProgram runs a program with kubectl on its path and $KUBECONFIG set. Its
// end is the cluster's, and the other way round.
func runProgram(ctx context.Context, cfg cluster.Config, args []string) (err error) {
	if len(args) == 0 {
		args = []string{"bash"}
	}
	c, err := cluster.Start(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-c.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	progress("cluster up: KUBECONFIG=%s, logs in %s", c.Kubeconfig, c.Logs)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), c.Env()...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	// However we end, the program does not outlive its cluster. The signal is
	// sent when this thread ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	err = cmd.Run()
	var exit *exec.ExitError
	if c.Err() == nil && errors.As(err, &exit) {
		return exitStatus(exit.ExitCode())
	}
	return errors.Join(c.Err(), err)
}

// runOnNode runs a program on the node of the cluster around us.
func runOnNode(ctx context.Context, args []string) error {
	socket := os.Getenv(cluster.NodeVariable)
	if socket == "" || len(args) == 0 {
		return errors.New("usage: braid-cluster node PROGRAM ARGS, in what braid-cluster run has started")
	}
	err := cluster.OpenNode(socket).Command(ctx, agent.Command{
		Args: args, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	})
	var exit *agent.ExitError
	if errors.As(err, &exit) {
		return exitStatus(exit.Exit)
	}
	return err
}
