package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/braid-csi/braid/pkg/admin"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
)

// askTimeout bounds a question to a running braid-node, which answers from
// memory; a reset writes a few attributes.
const askTimeout = 30 * time.Second

// question is what the commands that ask a running braid-node share.
type question struct {
	flags  *flag.FlagSet
	socket *string
	output *string
}

func newQuestion(name string) question {
	f := flag.NewFlagSet("braid-node "+name, flag.ContinueOnError)
	return question{
		flags:  f,
		socket: f.String("admin-socket", adminSocket, "unix socket of the running braid-node"),
		output: f.String("o", "table", "output: table or json"),
	}
}

// parse reads the flags and checks those that all questions have.
func (q question) parse(args []string) error {
	if err := q.flags.Parse(args); err != nil {
		return err
	}
	if *q.output != "table" && *q.output != "json" {
		return fmt.Errorf("-o: %q is neither table nor json", *q.output)
	}
	if q.flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", q.flags.Arg(0))
	}
	return nil
}

// write prints v as JSON or as the table that the question knows.
func (q question) write(out io.Writer, v any, table func(io.Writer) error) error {
	if *q.output == "table" {
		return table(out)
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func paths(ctx context.Context, args []string, out io.Writer) error {
	q := newQuestion("paths")
	if err := q.parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	report, err := admin.NewClient(*q.socket).Paths(ctx)
	if err != nil {
		return err
	}
	return q.write(out, report, report.WriteTable)
}

func reset(ctx context.Context, args []string, out io.Writer) error {
	q := newQuestion("reset")
	volume := q.flags.String("volume", "", "the volume whose counters are reset (required)")
	reason := q.flags.String("reason", "", "why, for the record (required)")
	if err := q.parse(args); err != nil {
		return err
	}
	if *volume == "" || *reason == "" {
		return errors.New("-volume and -reason are required")
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	r, err := admin.NewClient(*q.socket).Reset(ctx, admin.ResetRequest{Volume: *volume, Reason: *reason})
	if err != nil {
		return err
	}
	return q.write(out, r, func(w io.Writer) error { return writeResets(w, []ledger.Reset{r}) })
}

func resets(ctx context.Context, args []string, out io.Writer) error {
	q := newQuestion("resets")
	volume := q.flags.String("volume", "", "the volume (required)")
	if err := q.parse(args); err != nil {
		return err
	}
	if *volume == "" {
		return errors.New("-volume is required")
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	list, err := admin.NewClient(*q.socket).Resets(ctx, *volume)
	if err != nil {
		return err
	}
	return q.write(out, list, func(w io.Writer) error { return writeResets(w, list) })
}

// writeResets prints who reset what, when, why, and what stood there before.
func writeResets(w io.Writer, list []ledger.Reset) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "No reset is on record.")
		return err
	}
	for _, r := range list {
		recovered := ""
		if r.Recovered {
			recovered = " (completed after a crash)"
		}
		fmt.Fprintf(w, "reset %s%s\n  by      %s\n  at      %s\n  because %s\n", r.ID, recovered, r.By, r.At.Format(time.RFC3339), r.Reason)
		for _, key := range slices.Sorted(maps.Keys(r.Before)) {
			fmt.Fprintf(w, "  before  %s:", key)
			for _, c := range slices.Sorted(maps.Keys(r.Before[key])) {
				fmt.Fprintf(w, " %s %d", c, r.Before[key][c].SinceReset)
			}
			fmt.Fprintln(w)
		}
	}
	return nil
}
