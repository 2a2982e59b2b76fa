// Command braid-cluster starts a Kubernetes cluster on this machine, without
// anything on it noticing, whose node is a virtual machine with a real NVMe
// kernel.
//
//	braid-cluster prepare                     fetch and build all it is made of
//	braid-cluster run [flags] [-- PROGRAM]    run a program, or a shell, beside it
//	braid-cluster node PROGRAM ARGS           from there: run a program on the node
//	braid-cluster selftest [flags]            start one, run a pod, leave nothing
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/braid-csi/braid/hack/cluster"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Args[1:])
	stop()
	var exit exitStatus
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.As(err, &exit):
		os.Exit(int(exit))
	default:
		fmt.Fprintf(os.Stderr, "braid-cluster: %v\n", err)
		os.Exit(1)
	}
}

const usage = "usage: braid-cluster prepare|run|node|selftest [flags] [-- PROGRAM ARGS...]"

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	if args[0] == "node" {
		return runOnNode(ctx, args[1:])
	}
	cfg, rest, err := parse(args[0], args[1:])
	if err != nil {
		return err
	}
	switch args[0] {
	case "prepare":
		return cluster.Prepare(ctx, cfg)
	case "run":
		return runProgram(ctx, cfg, rest)
	case "selftest":
		return selftest(ctx, cfg)
	}
	return fmt.Errorf("no command %q\n%s", args[0], usage)
}

func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
