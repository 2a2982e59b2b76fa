package kubernetes

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/braid-csi/braid/hack/lab"
	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// TestHostNQNDuplicate has a second node report the host NQN that the first one
// presents, as its agent would, with a token that is bound to it. Both say so
// until the second one leaves: by conditions, and where there is a node behind,
// also by events and to kubelet.
func TestHostNQNDuplicate(t *testing.T) {
	s := newScene(t, alphaOn)
	set := s.start()
	live, err := s.lab.Node.Run(s.ctx, "sh", "-c", "cat /sys/class/nvme/nvme*/hostnqn | sort -u")
	must(t, err)
	if set.Status.HostNQN == "" || set.Status.HostNQN != strings.TrimSpace(live) {
		t.Errorf("host NQN %q, the kernel presents %q", set.Status.HostNQN, live)
	}
	s.waitSet("the host NQN to be unique", func(set v1alpha1.NVMePathSet) error {
		return lab.HasCondition(set, v1alpha1.ConditionHostNQNUnique, metav1.ConditionTrue, v1alpha1.ReasonHealthy)
	})

	must(t, s.lab.AddNode(s.ctx, otherNode))
	theirs := "theirs-" + s.volume.Name
	s.reports(theirs, otherNode, set.Status.HostNQN)
	set = s.waitSet("the path set to tell of the duplicate", func(set v1alpha1.NVMePathSet) error {
		return errors.Join(duplicate(set), lab.HasCondition(set, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDuplicateHostNQN))
	})
	s.until("the other node's path set to tell of the duplicate", func() (bool, error) {
		all, err := s.lab.PathSets(s.ctx)
		i := slices.IndexFunc(all, func(set v1alpha1.NVMePathSet) bool { return set.Name == theirs })
		return i >= 0 && duplicate(all[i]) == nil, err
	})
	s.events(set, v1alpha1.ReasonDuplicateHostNQN)
	ctx, cancel := s.waiting()
	defer cancel()
	_, err = s.lab.WaitVolumeHealth(ctx, s.pod, v1alpha1.ReasonDuplicateHostNQN, func(found []corev1.VolumeHealthCondition) bool {
		return len(found) == 1 && found[0].Reason == v1alpha1.ReasonDuplicateHostNQN
	})
	must(t, err)
	described, err := s.lab.Run(s.ctx, "kubectl", "describe", "nvmepathset", set.Name)
	must(t, err)
	if says := fmt.Sprintf("node %s presents the same host NQN, %s", otherNode, set.Status.HostNQN); !strings.Contains(described.Output, says) {
		t.Errorf("kubectl describe does not say %q:\n%s", says, described.Output)
	}
	s.goesOn()

	_, err = s.lab.Run(s.ctx, "kubectl", "delete", "nvmepathset/"+theirs, "node/"+otherNode)
	must(t, err)
	set = s.healthyAgain()
	s.events(set, v1alpha1.ReasonHealthy)
	s.end()
}

// reports writes a path set with the token of a node's agent.
func (s *scene) reports(name, node, hostNQN string) {
	s.t.Helper()
	c, err := s.lab.Run(s.ctx, "kubectl", "create", "token", "braid-node", "--namespace", lab.SystemNamespace,
		"--bound-object-kind=Node", "--bound-object-name="+node)
	must(s.t, err)
	manifest := pathSet(name, node)
	status := fmt.Sprintf("status: {hostNQN: %q}\n", hostNQN)
	for _, write := range []struct {
		manifest string
		flags    []string
	}{{manifest, nil}, {manifest + status, []string{"--subresource=status"}}} {
		must(s.t, s.lab.Write("theirs.yaml", write.manifest))
		args := append([]string{"kubectl", "apply", "--server-side", "--field-manager=braid-node", "--filename=theirs.yaml"}, write.flags...)
		_, err := s.lab.RunWithToken(s.ctx, strings.TrimSpace(c.Output), args...)
		must(s.t, err)
	}
}

func duplicate(set v1alpha1.NVMePathSet) error {
	return lab.HasCondition(set, v1alpha1.ConditionHostNQNUnique, metav1.ConditionFalse, v1alpha1.ReasonDuplicateHostNQN)
}
