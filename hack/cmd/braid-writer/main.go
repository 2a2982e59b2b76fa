// Command braid-writer is the program that the volumes of test pods are for: it
// writes checksummed blocks to a file or a block device, many at a time, and
// reads each of them back.
//
//	braid-writer PATH
//
// It is asked by HTTP, since starting a program in a pod takes an emulated node
// many seconds:
//
//	GET    /  how far it is, as JSON
//	DELETE /  the same, but from now on another I/O may be the slowest
//	POST   /  it stops, reads everything once more, and says how it was
//
// It writes in rounds, so that there is much in flight at times, and little to
// do for the processor on the whole.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/braid-csi/braid/hack/load"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "braid-writer: %v\n", err)
		stop()
		os.Exit(1)
	}
}

// run writes until ctx ends. An error of the volume's does not end it: there
// has to be somebody to tell of it.
func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) != 1 {
		return errors.New("usage: braid-writer PATH")
	}
	w, err := load.StartRounds(args[0], load.RoundDepth, load.Round)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "writing to %s, %d blocks at a time\n", args[0], load.RoundDepth)
	go func() {
		select {
		case <-w.Failed():
			fmt.Fprintf(out, "I/O error: %v\n", w.Err())
		case <-ctx.Done():
		}
	}()
	if err := serve(ctx, w); err != nil {
		return err
	}
	// The pod is going, and whoever wanted to know all has asked before.
	fmt.Fprintf(out, "told to end: %+v\n", w.Stats())
	return nil
}

func serve(ctx context.Context, w *load.Writer) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", fmt.Sprint(":", load.ReportPort))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(res http.ResponseWriter, req *http.Request) {
		stats, err := w.Stats(), w.Err()
		switch req.Method {
		case http.MethodDelete:
			w.Forget()
		case http.MethodPost:
			stats, err = w.Stop()
		}
		_ = json.NewEncoder(res).Encode(load.NewReport(stats, err)) // the other end may have gone
	})}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
