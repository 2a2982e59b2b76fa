package story

import (
	"context"
	"fmt"
	"time"

	"github.com/braid-csi/braid/hack/lab"
)

func (s *Story) install(ctx context.Context) error {
	began := time.Now()
	c, err := s.lab.FirstInstall(ctx)
	if err != nil {
		return err
	}
	took := time.Since(began)
	s.quote(c.Line(), headUntil(c.Output, "NOTES:"))
	if _, err := s.run(ctx, "kubectl", "get", "pods", "--namespace", lab.SystemNamespace); err != nil {
		return err
	}
	node, err := s.lab.NodePod(ctx)
	if err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return all(
		s.claimThat(lab.PodReady(node), fmt.Sprintf("%s is ready, %s after helm was called", node.Name, seconds(took)), "ready"),
		s.claimThat(len(node.Spec.Containers) == 1, fmt.Sprintf("it has %d container", len(node.Spec.Containers)), "1: no sidecars"),
		s.claim(s.lab.WaitRegistered(waiting), "kubelet knows the driver "+lab.Driver, "registered"),
	)
}
