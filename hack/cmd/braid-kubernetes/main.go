// Command braid-kubernetes builds the programs of Kubernetes into the test
// bed's cache and prints the folder they are in.
//
//	braid-kubernetes build
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/braid-csi/braid/hack/cluster/cache"
	"github.com/braid-csi/braid/hack/cluster/hyper"
	"github.com/braid-csi/braid/hack/kernel"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "braid-kubernetes: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 || args[0] != "build" {
		return errors.New("usage: braid-kubernetes build")
	}
	dir, err := kernel.DefaultDir()
	if err != nil {
		return err
	}
	hack, err := hyper.FindSource()
	if err != nil {
		return err
	}
	programs, err := hyper.Get(ctx, cache.Store{Dir: dir, Progress: progress}, hack)
	if err != nil {
		return err
	}
	fmt.Println(programs.Dir)
	return nil
}

func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
