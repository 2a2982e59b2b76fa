// Command braid-demo tells what Braid does, on a real Kubernetes and a real
// kernel, and checks every word of it: see package story. It needs root, what
// `make testbed` builds, and Braid's image:
//
//	braid-demo -image bin/image/braid-linux-amd64.tar
//
// Nothing in it is simulated: helm and kubectl are the real ones, and so are
// Kubernetes, the target, the host and the counters.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/braid-csi/braid/hack/lab"
	"github.com/braid-csi/braid/hack/story"
)

// patience bounds the story, but not what is built only once.
const patience = 20 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Printf("\ndemo: failed: %v\n", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	source, err := lab.FindSource()
	if err != nil {
		return err
	}
	cfg := lab.Config{Source: source, Gates: story.Gates, Progress: func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, format+"\n", args...)
	}}
	var out string
	f := flag.NewFlagSet("braid-demo", flag.ContinueOnError)
	f.StringVar(&cfg.Image, "image", lab.ImageFile(source), "`tarball` of Braid's image")
	f.StringVar(&cfg.Kernel, "kernel", os.Getenv("BRAID_KERNEL"), "the node's kernel `spec`")
	f.StringVar(&out, "o", filepath.Join(source, "artifacts", "demo"), "`folder` for evidence and logs")
	if err := f.Parse(args); err != nil {
		return err
	}
	cfg.Logs = filepath.Join(out, "cluster")
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	l, err := lab.Start(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	start := time.Now()
	if err := story.Tell(ctx, l, &story.Printer{W: os.Stdout, Color: terminal()}, out); err != nil {
		return err
	}
	fmt.Printf("\ndemo: passed in %.0f s\n", time.Since(start).Seconds())
	return nil
}

// terminal tells whether standard output is one.
func terminal() bool {
	info, err := os.Stdout.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
