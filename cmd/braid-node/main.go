// Command braid-node is Braid on one node: the CSI node server with its
// multipath layer, and the commands by which root asks it things.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/braid-csi/braid/pkg/multipath/native"
)

// version is set by the linker.
var version = "devel"

// adminSocket is where a running braid-node listens for root.
const adminSocket = "/run/braid/admin.sock"

// kernelWrite is the hidden command of the child processes that make the
// writes which may hang in the kernel.
const kernelWrite = "kernel-write"

// command is one word after braid-node.
type command struct {
	name, summary string
	run           func(ctx context.Context, args []string, out io.Writer) error
}

var commands = []command{
	{"serve", "serve CSI on this node", serve},
	{"paths", "show the paths of every staged volume", paths},
	{"reset", "reset a volume's failover counters, on record", reset},
	{"resets", "show the resets of a volume on record", resets},
	{"drain", "take the paths to an address down for maintenance", drain},
	{"undrain", "end the maintenance of an address and wait for its paths", undrain},
	{"maintenance", "show the addresses under maintenance", maintenance},
	{"version", "print the version", func(_ context.Context, _ []string, out io.Writer) error {
		_, err := fmt.Fprintln(out, "braid-node", version)
		return err
	}},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "braid-node:", err)
		}
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("which command?\n\n%s", usage())
	}
	if args[0] == kernelWrite {
		return native.ChildMain(in, out)
	}
	i := slices.IndexFunc(commands, func(c command) bool { return c.name == args[0] })
	switch {
	case i >= 0:
		return commands[i].run(ctx, args[1:], out)
	case slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0]):
		_, err := fmt.Fprint(out, usage())
		return err
	}
	return fmt.Errorf("unknown command %q\n\n%s", args[0], usage())
}

func usage() string {
	var b strings.Builder
	b.WriteString("Usage: braid-node COMMAND [FLAGS]\n\n")
	for _, c := range commands {
		fmt.Fprintf(&b, "  %-11s %s\n", c.name, c.summary)
	}
	b.WriteString("\nbraid-node COMMAND -h shows the flags of a command.\n")
	return b.String()
}
