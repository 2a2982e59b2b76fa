package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/hack/poll"
)

const (
	// noticed is how soon braid-node knows of a lost path.
	noticed = 2 * time.Second
	// longestStall is what a program may notice of a path that is refused.
	longestStall = 3 * time.Second
	// inflight is how many commands the path carries when it is cut.
	inflight = 2 * check.LeastFailovers
)

func (s *story) loseAPath(ctx context.Context) error {
	reading, err := nvmehost.Read(uuid)
	if err != nil {
		return err
	}
	path := reading.Ways[s.cut].Path
	n := 0
	err = poll.Until(ctx, "commands in flight", func() (_ bool, err error) {
		n, err = path.Inflight()
		return n >= inflight, err
	})
	if err != nil {
		return err
	}
	cut := time.Now()
	if err := s.rig.Cut(0); err != nil {
		return err
	}
	say("The target drops port 1 while %s carries %d commands.", path, n)
	err = s.waitView(ctx, "the path to be down", func(v check.View) bool { return check.Usable(v, s.cut, false) == nil })
	took := time.Since(cut)
	if err := errors.Join(err, claimThat(took < noticed, fmt.Sprintf("`braid-node paths` shows %s down after %.1f s", s.cut, took.Seconds()), "less than "+noticed.String())); err != nil {
		return err
	}
	// Whatever was in flight has failed over once as much again was written.
	if err := claim(s.waitWritten(ctx, 4*depth), "the writer goes on over the other path", "no error"); err != nil {
		return err
	}
	view, err := s.settled(ctx)
	if err != nil {
		return err
	}
	if err := s.show(ctx, "paths"); err != nil {
		return err
	}
	return errors.Join(s.failovers(view), s.degraded(ctx))
}

func (s *story) failovers(view check.View) error {
	onCut, err := view.Failovers(s.cut)
	onOther, err2 := view.Failovers(s.other)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	s.lifetime = onCut
	kernelCut, kernelOther := view.KernelFailovers(s.cut), view.KernelFailovers(s.other)
	return errors.Join(
		claimThat(onCut >= check.LeastFailovers && onCut == kernelCut, fmt.Sprintf("failovers from %s: %d says braid-node, %d says sysfs", s.cut, onCut, kernelCut), fmt.Sprintf("equal, at least %d", check.LeastFailovers)),
		claimThat(onOther == 0 && kernelOther == 0, fmt.Sprintf("failovers from %s: %d says braid-node, %d says sysfs", s.other, onOther, kernelOther), "0"),
		claim(check.PortCut(view, s.cut, s.other), "every other count of both paths, controllers and the head", "equal too"),
	)
}

func (s *story) degraded(ctx context.Context) error {
	found, err := s.node.VolumeHealth(ctx, s.volume)
	if err != nil {
		return err
	}
	return claimThat(found.Has("DEGRADED", "PathRedundancyLost"), "NodeGetVolumeHealth: "+found.String(), "DEGRADED PathRedundancyLost")
}
