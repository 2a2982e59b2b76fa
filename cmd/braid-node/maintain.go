package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/braid-csi/braid/pkg/admin"
	"github.com/braid-csi/braid/pkg/multipath"
)

func drain(ctx context.Context, args []string, out io.Writer) error {
	q := newQuestion("drain")
	address := q.flags.String("address", "", "the target's ADDRESS[:PORT] that is worked on (required)")
	reason := q.flags.String("reason", "", "why, for the record (required)")
	lasts := q.flags.Duration("for", time.Hour, "when to bring the paths back at the latest; at most 168h")
	if err := q.parse(args); err != nil {
		return err
	}
	if *address == "" || *reason == "" {
		return errors.New("-address and -reason are required")
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	list, err := admin.NewClient(*q.socket).Drain(ctx, admin.MaintenanceRequest{Address: *address, Reason: *reason, For: lasts.String()})
	if err != nil {
		return err
	}
	return q.write(out, list, func(w io.Writer) error { return writeMaintenance(w, list) })
}

func undrain(ctx context.Context, args []string, out io.Writer) error {
	q := newQuestion("undrain")
	address := q.flags.String("address", "", "the target's ADDRESS[:PORT] that was worked on (required)")
	if err := q.parse(args); err != nil {
		return err
	}
	if *address == "" {
		return errors.New("-address is required")
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if err := admin.NewClient(*q.socket).Return(ctx, *address); err != nil {
		return err
	}
	return q.write(out, struct{}{}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "Every path to %s is usable again.\n", *address)
		return err
	})
}

func maintenance(ctx context.Context, args []string, out io.Writer) error {
	q := newQuestion("maintenance")
	if err := q.parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	list, err := admin.NewClient(*q.socket).Maintenance(ctx)
	if err != nil {
		return err
	}
	return q.write(out, list, func(w io.Writer) error { return writeMaintenance(w, list) })
}

// writeMaintenance prints what is worked on, by whom, why and until when.
func writeMaintenance(w io.Writer, list []multipath.Maintenance) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "No address is under maintenance.")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ADDRESS\tPATHS\tUNTIL\tBY\tREASON")
	for _, m := range list {
		paths := "drained"
		if m.Returning {
			paths = "returning"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", m.Address.Address(), paths, m.Until.UTC().Format(time.RFC3339), m.By, m.Reason)
	}
	return t.Flush()
}
