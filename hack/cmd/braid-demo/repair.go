package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/hack/node"
	"github.com/braid-csi/braid/hack/poll"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

// reason is what the operator of the story gives for the reset.
const reason = "port 1 repaired, ticket 4711"

func (s *story) repair(ctx context.Context) error {
	if err := s.rig.Repair(0); err != nil {
		return err
	}
	say("The target serves port 1 again.")
	err := s.waitView(ctx, "the path to be back", func(v check.View) bool { return v.Report.Usable == 2 })
	back := time.Now()
	if err := claim(err, "the kernel reconnects: 2 of 2 paths usable", "2 of 2"); err != nil {
		return err
	}
	var found node.Findings
	err = poll.Until(ctx, "health to clear", func() (_ bool, err error) {
		found, err = s.node.VolumeHealth(ctx, s.volume)
		return len(found) == 0, err
	})
	if err != nil {
		return err
	}
	quiet := time.Since(back)
	err = claimThat(quiet >= clearAfter-noticed && quiet < clearAfter+3*noticed,
		fmt.Sprintf("NodeGetVolumeHealth: %s, after %.1f s of quiet", found, quiet.Seconds()),
		fmt.Sprintf("about %s, braid-node's -clear-after", clearAfter))
	if err != nil {
		return err
	}
	return s.reset(ctx)
}

func (s *story) reset(ctx context.Context) error {
	before, err := s.settled(ctx)
	if err != nil {
		return err
	}
	if s.lifetime, err = before.Failovers(s.cut); err != nil {
		return err
	}
	if err := s.show(ctx, "reset", "-volume", s.volume.ID, "-reason", reason); err != nil {
		return err
	}
	after, err := s.settled(ctx)
	if err != nil {
		return err
	}
	p, err := after.Path(s.cut)
	if err != nil {
		return err
	}
	lifetime := p.Counts[nvme.Failovers].Lifetime
	resets, err := s.node.Resets(ctx, s.volume)
	if err != nil {
		return err
	}
	if err := s.show(ctx, "paths"); err != nil {
		return err
	}
	return errors.Join(
		claim(check.Zeroed(after.Reading), "the kernel's counters of both paths and of the head read 0", "0"),
		claimThat(lifetime == s.lifetime, fmt.Sprintf("failovers from %s in its lifetime: still %d", s.cut, lifetime), fmt.Sprint(s.lifetime)),
		s.recorded(resets, p.Address.String()),
	)
}

// recorded wants one reset on record, with who, when, why and what stood there.
func (s *story) recorded(resets []ledger.Reset, path string) error {
	if len(resets) != 1 {
		return claim(errNotSo, fmt.Sprintf("%d resets on record", len(resets)), "1")
	}
	r := resets[0]
	before := r.Before[path][nvme.Failovers].SinceReset
	return errors.Join(
		claimThat(strings.Contains(r.By, "uid 0") && strings.Contains(r.By, "pid "), "on record: by "+r.By, "root and its process, as the kernel says"),
		claimThat(time.Since(r.At) < time.Minute && r.Reason == reason, fmt.Sprintf("on record: at %s because %q", r.At.Format(time.TimeOnly), r.Reason), "now, and why"),
		claimThat(before == s.lifetime, fmt.Sprintf("on record: %d failovers from %s stood there before", before, s.cut), fmt.Sprint(s.lifetime)),
	)
}
