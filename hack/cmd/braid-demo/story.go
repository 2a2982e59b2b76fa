package main

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/hack/load"
	"github.com/braid-csi/braid/hack/node"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/hack/rig"
)

const (
	nqn      = "nqn.2026-11.dev.braid.demo:shelf1"
	uuid     = "b4a1dde0-0000-4000-8000-000000000001"
	kubelet  = "/var/lib/kubelet"
	stateDir = "/var/lib/braid"
	// backend is how long the target takes for a command. It keeps the
	// writer's commands in flight, so that a cut has something to fail over.
	backend = 100 * time.Millisecond
	depth   = load.DefaultDepth
	// clearAfter is braid-node's -clear-after; its default is 30 s.
	clearAfter = 3 * time.Second
)

var errNotSo = errors.New("it is not so")

// story is the demo's stage: the target, braid-node and the volume.
type story struct {
	rig    *rig.Rig
	node   *node.Node
	volume node.Volume
	writer *load.Writer
	// cut and other are the addresses of the path that will be cut and of the
	// one that will be left.
	cut, other netip.AddrPort
	// stats is what the writer did in the end.
	stats load.Stats
	// lifetime is how many failovers there were when the counters were reset.
	lifetime uint64
}

func newStory(ctx context.Context) (*story, error) {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return nil, err
	}
	line("%s", bold("Braid: a path is cut under I/O, and the node can say what happened"))
	say("Linux %s, its own NVMe/TCP target, host and multipathing,", unix.ByteSliceToString(uts.Release[:]))
	say("and braid-node as on any node of a cluster. Every claim below is checked.")

	r, err := rig.New(rig.Config{NQN: nqn, Paths: 2, Namespaces: []rig.Namespace{{UUID: uuid, SizeMB: 64, Delay: backend}}})
	if err != nil {
		return nil, err
	}
	s := &story{rig: r, cut: r.Addr(0), other: r.Addr(1)}
	if s.volume, err = node.NewVolume(kubelet, "demo", "ext4", nqn, uuid, r.Addrs()...); err == nil {
		s.node, err = node.Start(ctx, node.Config{StateDir: stateDir, ClearAfter: clearAfter})
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// close takes the target down. After a story that broke off the volume may
// still be mounted; then the machine's end has to do.
func (s *story) close() error {
	controllers, err := nvmehost.Controllers()
	if err != nil || len(controllers) > 0 {
		return err
	}
	if s.node != nil {
		err = errors.Join(s.node.Stop(), s.node.Close())
	}
	return errors.Join(err, s.rig.Close())
}

// tell tells the story up to the first thing that is not as it should be.
func (s *story) tell(ctx context.Context) error {
	for i, part := range []struct {
		title string
		play  func(context.Context) error
	}{
		{"A volume is staged and published, and a program writes to it", s.attach},
		{"Two paths, both usable", s.look},
		{"The first path is cut, with I/O in flight", s.loseAPath},
		{"The path is repaired, and the counters are reset", s.repair},
		{"The volume is unpublished and unstaged", s.detach},
		{"What the writer saw of all this", s.account},
	} {
		chapter(i+1, part.title)
		if err := part.play(ctx); err != nil {
			return err
		}
	}
	return nil
}

// show quotes a command of braid-node.
func (s *story) show(ctx context.Context, args ...string) error {
	out, err := node.CLI(ctx, args...)
	if err != nil {
		return err
	}
	quote(commandLine(args), out)
	return nil
}

// settled returns both accounts of the volume once they agree.
func (s *story) settled(ctx context.Context) (check.View, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return check.Settled(ctx, s.node, s.volume)
}
