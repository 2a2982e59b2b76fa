// Command braid-image makes Braid's container image: braid-node,
// braid-controller and the programs that braid-node calls, for several
// platforms, without a container runtime or a registry.
//
//	braid-image -version v1.0.0 -o bin/image
//	braid-image -platforms linux/arm64 -push registry.example/braid:v1.0.0
//
// The folder then has a tarball for each platform (ctr images import, docker
// load) and all of them as an OCI layout. The same sources and packages give
// the same bytes; the packages stay those of the first time until -update.
//
// The image has no entrypoint: it has two programs, and which one runs, and
// what braid-node may then do to a machine, is for the pod to say.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "braid-image: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	return o.make(ctx)
}

func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
