package e2e

import (
	"cmp"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/hack/node"
	"github.com/braid-csi/braid/hack/rig"
	"github.com/braid-csi/braid/pkg/nvme"
)

// TestAttachTwoPaths goes through a volume's life on a node, with each call
// made twice: a CO repeats calls whenever it missed the answer.
func TestAttachTwoPaths(t *testing.T) {
	for _, kind := range []struct {
		name, fsType string
		namespace    rig.Namespace
	}{
		{"ext4", "ext4", rig.Namespace{SizeMB: 64}},
		{"xfs", "xfs", rig.Namespace{SizeMB: 400, Growable: true}},
		{"raw", "", rig.Namespace{SizeMB: 64}},
	} {
		t.Run(kind.name, func(t *testing.T) {
			s := newScene(t, kind.namespace)
			v := s.volume(0, kind.fsType)
			for range 2 {
				must(t, s.node.Stage(s.ctx, v))
			}
			for range 2 {
				must(t, s.node.Publish(s.ctx, v))
			}
			s.waitUsable(v, 2)
			s.spread(v)
			again := v
			again.Target += "-2"
			wantCode(t, s.node.Publish(s.ctx, again), codes.FailedPrecondition, "target_path")

			s.unharmed(s.write(v))
			must(t, check.Counts(s.settled(v)))
			if found := s.health(v); len(found) > 0 {
				t.Errorf("nothing is wrong, but: %s", found)
			}
			usage, err := s.node.Stats(s.ctx, v)
			must(t, err)
			if mib := usage.GetTotal() >> 20; mib < int64(kind.namespace.SizeMB)/2 || mib > int64(kind.namespace.SizeMB) {
				t.Errorf("NodeGetVolumeStats: %d MiB, the namespace has %d", mib, kind.namespace.SizeMB)
			}

			wantCode(t, s.node.Unstage(s.ctx, v), codes.FailedPrecondition, v.Target)
			for range 2 {
				must(t, s.node.Unpublish(s.ctx, v))
			}
			for range 2 {
				must(t, s.node.Unstage(s.ctx, v))
			}
			s.ledgerLeft()
		})
	}
}

// spread wants both paths to be used: kernels are not asked for more than they
// have.
func (s *scene) spread(v node.Volume) {
	s.t.Helper()
	want := nvme.IOPolicyRoundRobin
	if s.kernel.QueueDepth {
		want = nvme.IOPolicyQueueDepth
	}
	report, err := s.node.Paths(s.ctx, v)
	must(s.t, err)
	if report.IOPolicy != want {
		s.t.Errorf("I/O policy %s, want %s", report.IOPolicy, want)
	}
}

// TestUnstageWithoutRecord takes braid-node's records away: the kernel still
// knows what is staged, and that has to be enough.
func TestUnstageWithoutRecord(t *testing.T) {
	for _, fsType := range []string{"ext4", ""} {
		t.Run(cmp.Or(fsType, "raw"), func(t *testing.T) {
			s := newScene(t, rig.Namespace{SizeMB: 64})
			v := s.volume(0, fsType)
			s.attach(v)
			must(t, s.node.Stop())
			must(t, os.RemoveAll(filepath.Join(s.stateDir, "volumes")))
			must(t, s.node.Start(s.ctx))
			s.detach(v)
			s.nothingLeft()
		})
	}
}
