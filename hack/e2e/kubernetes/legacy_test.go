package kubernetes

import (
	"fmt"
	"strings"
	"testing"

	"github.com/braid-csi/braid/hack/lab"
)

// abnormal is the reason of the event by which kubelet up to 1.36 tells of a
// volume's health.
const abnormal = "VolumeConditionAbnormal"

// TestLegacyKubelet136 has a kubelet of Kubernetes 1.36, which asks for CSI's
// volume condition, find out that a path is lost: by an event on the pod and by
// its metric, which also tells of the repair.
func TestLegacyKubelet136(t *testing.T) {
	s := newScene(t, oldNode, "node.legacyVolumeCondition=true")
	node, err := s.lab.KubernetesNode(s.ctx, lab.NodeName)
	must(t, err)
	version := node.Status.NodeInfo.KubeletVersion
	if !strings.HasPrefix(version, "v1.36.") {
		t.Fatalf("the kubelet is %s", version)
	}
	s.start()
	s.conditionAbnormal(0)
	s.cut()
	set := s.degraded()
	s.conditionAbnormal(1)
	ctx, cancel := s.waiting()
	defer cancel()
	events, err := s.lab.WaitEvent(ctx, "Pod", s.pod, abnormal)
	must(t, err)
	says := lost + ": 1 of 2 paths usable; tcp://" + s.addr(0).String() + " is down"
	if !lab.EventSays(events, abnormal, says) {
		t.Errorf("no event %s says %q: %+v", abnormal, says, events)
	}
	for _, e := range events {
		if e.Reason == abnormal {
			t.Logf("kubelet %s: %s %s: %s", version, e.Type, e.Reason, e.Message)
		}
	}
	s.events(set, lost) // as on any cluster
	s.goesOn()
	s.repair()
	s.healthyAgain()
	s.conditionAbnormal(0)
	s.end()
}

// conditionAbnormal waits until the kubelet's metric of the claim has a value.
func (s *scene) conditionAbnormal(want float64) {
	s.t.Helper()
	name := fmt.Sprintf("kubelet_volume_stats_health_status_abnormal{namespace=%q,persistentvolumeclaim=%q}", lab.Namespace, s.volume.Name)
	s.until(fmt.Sprintf("%s to be %g", name, want), func() (bool, error) {
		all, err := s.lab.KubeletMetrics(s.ctx)
		got, ok := all[name]
		return ok && got == want, err
	})
	s.t.Logf("%s %g", name, want)
}
