package kubernetes

import (
	"errors"
	"testing"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/hack/lab"
	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// TestKubernetesUpgradeUnderIO upgrades Braid with a volume mounted and under
// I/O: once in the usual way, and once so that braid-node is away for as long
// as it takes to lose a path.
func TestKubernetesUpgradeUnderIO(t *testing.T) {
	s := newScene(t, alphaOn)
	before := s.start()
	events := s.eventCount(before.Name)

	pod, err := s.lab.NodePod(s.ctx)
	must(t, err)
	s.install("logLevel=4")
	ctx, cancel := s.waiting()
	defer cancel()
	pod, err = s.lab.WaitNodeReady(ctx, pod)
	must(t, err)
	s.goesOn()
	after := s.sameCounts("after the upgrade")
	s.sameTransitions(before, after)
	if n := s.eventCount(before.Name); n != events {
		t.Errorf("%d events after the upgrade, %d before", n, events)
	}
	if before.UID != after.UID {
		t.Error("the upgrade made a new path set")
	}

	// No node has the label, so braid-node is nowhere.
	_, err = s.lab.Install(s.ctx, "node.nodeSelector.away=yes")
	must(t, err)
	s.until("braid-node to be away", func() (bool, error) {
		_, err := s.lab.NodePod(s.ctx)
		gone := errors.Is(err, lab.ErrNoNodePod)
		if gone {
			err = nil
		}
		return gone && !s.nodeServerRuns(), err
	})
	s.cut()
	s.goesOn()
	kernel := s.reading()
	s.install()
	_, err = s.lab.WaitNodeReady(ctx, pod)
	must(t, err)
	set := s.degraded()
	must(t, check.PathSetCounts(set, kernel))
	t.Logf("%d failovers while braid-node was away", s.failovers(set, 0))
	s.events(set, lost)

	s.repair()
	set = s.healthyAgain()
	s.events(set, v1alpha1.ReasonHealthy)
	s.end()
}

// sameCounts waits until the path set's counts are the kernel's.
func (s *scene) sameCounts(when string) v1alpha1.NVMePathSet {
	s.t.Helper()
	return s.waitSet("counts "+when, func(set v1alpha1.NVMePathSet) error {
		reading, err := s.rig.Read(s.ctx, s.volume.UUID)
		return errors.Join(err, check.PathSetCounts(set, reading))
	})
}

// eventCount is how much happened to a path set.
func (s *scene) eventCount(pathSet string) int {
	s.t.Helper()
	events, err := s.lab.Events(s.ctx, "NVMePathSet", pathSet)
	must(s.t, err)
	return lab.AllEvents(events)
}

// nodeServerRuns tells whether the node has a braid-node.
func (s *scene) nodeServerRuns() bool {
	_, err := s.lab.Node.Run(s.ctx, "pgrep", "-x", "braid-node")
	return err == nil
}
