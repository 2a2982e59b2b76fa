// Command braid-vm runs programs in a virtual machine with a stock Debian
// kernel, real NVMe over TCP included, on a machine that has none of it.
//
//	go test -exec "braid-vm exec" ./e2e -v    a test binary, by go test itself
//	braid-vm run -- PROGRAM ARGS...           any program
//	braid-vm kernel [-update]                 fetch the kernel, say which it is
//	braid-vm setup                            install the host tools this needs
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/braid-csi/braid/hack/guest"
)

func main() {
	// The guest's first process is this very program.
	if guest.IsInit() {
		guest.Main()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	status, err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "braid-vm: %v\n", err)
	}
	os.Exit(status)
}

// failed is the exit status for our own errors. It is none that test binaries
// use, so a broken test bed is not taken for a failed test.
const failed = 125

const usage = "usage: braid-vm exec|run|kernel|setup [flags] [--] [PROGRAM ARGS...]"

func run(ctx context.Context, args []string) (int, error) {
	if len(args) == 0 {
		return failed, errors.New(usage)
	}
	var (
		status int
		err    error
	)
	switch args[0] {
	case "exec":
		status, err = execTest(ctx, args[1:])
	case "run":
		status, err = runProgram(ctx, args[1:])
	case "kernel":
		err = fetchKernel(ctx, args[1:])
	case "setup":
		err = setup(ctx)
	default:
		err = fmt.Errorf("no command %q\n%s", args[0], usage)
	}
	if err != nil {
		return failed, err
	}
	return status, nil
}

func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
