package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/hack/load"
	"github.com/braid-csi/braid/hack/node"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/hack/poll"
)

func (s *story) attach(ctx context.Context) error {
	say("subsystem  %s", nqn)
	say("namespace  %s", uuid)
	say("addresses  %s", strings.ReplaceAll(s.volume.Context["addresses"], ",", ", "))
	say("The target takes %s for every command, so that there is always I/O in flight.", backend)
	start := time.Now()
	err := s.node.Stage(ctx, s.volume)
	if err := claim(err, fmt.Sprintf("NodeStageVolume: ext4, %.1f s", time.Since(start).Seconds()), "no error"); err != nil {
		return err
	}
	if err := claim(s.node.Publish(ctx, s.volume), "NodePublishVolume", "no error"); err != nil {
		return err
	}
	if err := countersExist(); err != nil {
		return err
	}
	if s.writer, err = load.StartWriter(filepath.Join(s.volume.Target, "data"), depth); err != nil {
		return err
	}
	err = s.waitWritten(ctx, 4*depth)
	stats := s.writer.Stats()
	return claim(err, fmt.Sprintf("the writer writes checksummed blocks, %d at a time, and reads each back: %d verified so far", depth, stats.Verified), "no error")
}

// countersExist fails on a kernel without counters, where most of what follows
// would be zeros that mean nothing.
func countersExist() error {
	has, err := nvmehost.Kernel()
	if err == nil && !has.Counters {
		err = fmt.Errorf("Linux %s counts no failovers, 7.2 or newer is needed: %w", has.Release, nvmehost.ErrNoCounters)
	}
	return err
}

// waitWritten waits until the writer has verified that many blocks more.
func (s *story) waitWritten(ctx context.Context, more uint64) error {
	from := s.writer.Stats().Verified
	return poll.Until(ctx, "the writer to go on", func() (bool, error) {
		return s.writer.Stats().Verified >= from+more, s.writer.Err()
	})
}

func (s *story) look(ctx context.Context) error {
	err := s.waitView(ctx, "both paths to be usable", func(v check.View) bool { return v.Report.Usable == 2 })
	if err != nil {
		return err
	}
	if err := s.show(ctx, "paths"); err != nil {
		return err
	}
	view, err := s.settled(ctx)
	if err != nil {
		return err
	}
	found, err := s.node.VolumeHealth(ctx, s.volume)
	if err != nil {
		return err
	}
	return errors.Join(
		claimThat(view.Report.Usable == 2 && view.Report.Expected == 2, fmt.Sprintf("%d of %d paths usable", view.Report.Usable, view.Report.Expected), "2 of 2"),
		claim(check.Counts(view), "braid-node's counts are those in sysfs", "equal, every one"),
		claimThat(len(found) == 0, "NodeGetVolumeHealth: "+found.String(), "healthy"),
	)
}

// waitView waits until braid-node and sysfs show something.
func (s *story) waitView(ctx context.Context, what string, done func(check.View) bool) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return poll.Until(ctx, what, func() (bool, error) {
		report, err := s.node.Paths(ctx, s.volume)
		return err == nil && done(check.View{Report: report}), err
	})
}

// commandLine is a braid-node command as a person types it.
func commandLine(args []string) string {
	words := []string{filepath.Base(node.Binary)}
	for _, a := range args {
		if strings.ContainsAny(a, " '\"") {
			a = "'" + a + "'"
		}
		words = append(words, a)
	}
	return strings.Join(words, " ")
}
