package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/hack/load"
	"github.com/braid-csi/braid/hack/node"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/hack/rig"
)

const (
	// slow keeps commands in flight, so that a cut has something to fail over.
	slow = 100 * time.Millisecond
	// quick is for ANA: there the target has to answer while the state changes.
	quick = 2 * time.Millisecond
	// clearAfter is braid-node's in all scenarios.
	clearAfter = 3 * time.Second
	// noticed is how soon braid-node must know of a change.
	noticed = 2 * time.Second
	// pulseEvery is how often the machine's pulse is looked at.
	pulseEvery = 10 * time.Millisecond
	// busy is how many commands a path must carry when it is cut.
	busy = 2 * check.LeastFailovers
	// patience bounds what takes as long as it takes.
	patience = time.Minute
)

// scene is what a scenario plays on: a target with two paths, braid-node, and
// the directories a kubelet would have made. Everything is new for each.
type scene struct {
	t    *testing.T
	ctx  context.Context
	rig  *rig.Rig
	node *node.Node
	// kernel is what there is to be found on this one.
	kernel nvmehost.Features
	// dir is the CO's, stateDir braid-node's.
	dir, stateDir string
	volumes       []node.Volume
	writers       []*load.Writer
}

// newScene builds a scene with a namespace of each kind. Namespaces get the
// UUIDs uuid(0), uuid(1), ...
func newScene(t *testing.T, namespaces ...rig.Namespace) *scene {
	t.Helper()
	return newSceneWith(t, node.Config{ClearAfter: clearAfter}, namespaces...)
}

// newSceneWith does it for a braid-node that is run in another way.
func newSceneWith(t *testing.T, cfg node.Config, namespaces ...rig.Namespace) *scene {
	t.Helper()
	name := strings.ToLower(strings.NewReplacer("/", "-", " ", "-").Replace(strings.TrimPrefix(t.Name(), "Test")))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	s := &scene{t: t, ctx: ctx, dir: "/var/lib/kubelet-" + name, stateDir: "/var/lib/braid-" + name}
	for i := range namespaces {
		namespaces[i].UUID = uuid(i)
	}
	// A ledger of an earlier run (-count) would count on.
	must(t, os.RemoveAll(s.stateDir))
	var err error
	s.kernel, err = nvmehost.Kernel()
	must(t, err)
	s.rig, err = rig.New(rig.Config{NQN: "nqn.2026-11.test.braid:" + name, Paths: 2, Namespaces: namespaces})
	must(t, err)
	cleanup(t, s.rig.Close)
	t.Cleanup(s.sweep)
	cfg.StateDir = s.stateDir
	s.node, err = node.Start(ctx, cfg)
	must(t, err)
	return s
}

func uuid(namespace int) string { return fmt.Sprintf("b4a1d000-0000-4000-8000-%012d", namespace+1) }

// sweep takes down what a scenario that failed left behind: the next one must
// not suffer for it. One that passed has left nothing.
func (s *scene) sweep() {
	if s.node != nil {
		if err := s.node.Close(); err != nil {
			s.t.Error(err)
		}
	}
	if !s.t.Failed() {
		return
	}
	s.t.Log(tail(s.node))
	controllers, err := nvmehost.Controllers()
	for _, c := range controllers {
		err = errors.Join(err, c.Disconnect())
	}
	for _, w := range s.writers {
		_, _ = w.Stop() // what it says, it has said
	}
	for _, v := range s.volumes {
		for _, path := range []string{v.Target, filepath.Join(v.Staging, "device"), v.Staging} {
			_ = exec.Command("umount", "-l", path).Run() // mostly not mounted
		}
	}
	err = errors.Join(err, os.RemoveAll("/run/nvme/registry"))
	if err != nil {
		s.t.Logf("sweeping up: %v", err)
	}
}

// tail is the end of braid-node's log.
func tail(n *node.Node) string {
	if n == nil {
		return "braid-node did not start"
	}
	b, err := os.ReadFile(n.LogFile())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(string(b), "\n")
	return "braid-node's log ends:\n" + strings.Join(lines[max(0, len(lines)-25):], "\n")
}
