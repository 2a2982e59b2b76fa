// Command braid-target is a small NVMe/TCP target for tests, demos and labs,
// with faults on command. It is not storage for production: whoever reaches its
// ports can read and write.
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

	"github.com/braid-csi/braid/pkg/target/control"
)

// version is set by the linker.
var version = "devel"

// command is one word after braid-target.
type command struct {
	name, summary string
	run           func(ctx context.Context, args []string, out io.Writer) error
}

var commands = []command{
	{"serve", "serve namespaces over NVMe/TCP", serve},
	{"tell", "tell a running target what to do, in JSON: braid-target tell '{\"do\":\"cut\",\"port\":1}'", tell},
	{"version", "print the version", func(_ context.Context, _ []string, out io.Writer) error {
		_, err := fmt.Fprintln(out, "braid-target", version)
		return err
	}},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "braid-target:", err)
		}
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("which command?\n\n%s", usage())
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
	b.WriteString("Usage: braid-target COMMAND [FLAGS]\n\n")
	for _, c := range commands {
		fmt.Fprintf(&b, "  %-8s %s\n", c.name, c.summary)
	}
	b.WriteString("\nbraid-target COMMAND -h shows the flags of a command.\n")
	return b.String()
}

// controlSocket is where a target takes orders unless it is told otherwise.
const controlSocket = "/run/braid/target.sock"

// tell sends each argument as a request and prints the answers. An answer that
// is an error makes it fail.
func tell(ctx context.Context, args []string, out io.Writer) error {
	f := flag.NewFlagSet("braid-target tell", flag.ContinueOnError)
	socket := f.String("control", controlSocket, "unix `socket` of the running target")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() == 0 {
		return errors.New("tell it what?")
	}
	for _, line := range f.Args() {
		answer, err := control.Tell(ctx, *socket, []byte(line))
		if err != nil {
			return err
		}
		if _, err := out.Write(answer); err != nil {
			return err
		}
		if strings.HasPrefix(string(answer), `{"error":`) {
			return fmt.Errorf("%s was refused", line)
		}
	}
	return nil
}
