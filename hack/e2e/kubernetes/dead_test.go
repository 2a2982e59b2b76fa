package kubernetes

import (
	"fmt"
	"testing"

	"github.com/braid-csi/braid/hack/lab"
	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// TestKubernetesAgentDeadAndBack ends braid-node in two ways while a path is
// lost. What it says when it is back is the truth, and said once.
func TestKubernetesAgentDeadAndBack(t *testing.T) {
	s := newScene(t, alphaOn)
	s.start()
	ctx, cancel := s.waiting()
	defer cancel()

	s.orphan(lab.NodeName)
	s.orphan(otherNode)
	pod, err := s.lab.NodePod(s.ctx)
	must(t, err)
	must(t, s.lab.KillNodeServer(s.ctx))
	s.cut()
	pod, err = s.lab.WaitNodeReady(ctx, pod)
	must(t, err)
	set := s.degraded()
	s.events(set, lost)
	s.orphanRemoved()

	_, err = s.lab.Run(s.ctx, "kubectl", "delete", "pod", pod.Name, "--namespace", lab.SystemNamespace)
	must(t, err)
	_, err = s.lab.WaitNodeReady(ctx, pod)
	must(t, err)
	s.goesOn()
	still := s.degraded()
	if s.failovers(still, 0) != s.failovers(set, 0) {
		t.Errorf("%d failovers, %d before braid-node was replaced", s.failovers(still, 0), s.failovers(set, 0))
	}
	s.sameTransitions(set, still)

	s.repair()
	set = s.healthyAgain()
	s.events(set, v1alpha1.ReasonHealthy)
	s.events(set, lost) // still once
	_, err = s.lab.Run(s.ctx, "kubectl", "delete", "nvmepathset", "ghost-"+otherNode)
	must(t, err)
	s.end()
}

// orphan leaves a path set of a volume that its node does not have.
func (s *scene) orphan(node string) {
	s.t.Helper()
	must(s.t, s.lab.Apply(s.ctx, fmt.Sprintf(`
apiVersion: braid.dev/v1alpha1
kind: NVMePathSet
metadata: {name: ghost-%s}
spec:
  nodeName: %s
  volumeHandle: ghost
  subsystemNQN: nqn.2026-11.test.braid:ghost
  namespaceID: {type: uuid, value: b4a1d000-0000-4000-8000-000000000000}
  addresses: ["tcp://192.0.2.2:4420"]
`, node, node)))
}

// orphanRemoved wants the orphan of the lab's node to go, and nobody else's.
func (s *scene) orphanRemoved() {
	s.t.Helper()
	s.until("the orphan to go", func() (bool, error) {
		sets, err := s.lab.PathSets(s.ctx)
		names := map[string]bool{}
		for _, set := range sets {
			names[set.Name] = true
		}
		if err == nil && !names["ghost-"+otherNode] {
			err = fmt.Errorf("the path set of %s is gone too", otherNode)
		}
		return !names["ghost-"+lab.NodeName], err
	})
}

func (s *scene) sameTransitions(before, after v1alpha1.NVMePathSet) {
	s.t.Helper()
	was, is := lab.Transitions(before), lab.Transitions(after)
	for kind, at := range was {
		if !is[kind].Equal(at) {
			s.t.Errorf("condition %s changed at %s, and before braid-node was replaced at %s", kind, is[kind], at)
		}
	}
}
