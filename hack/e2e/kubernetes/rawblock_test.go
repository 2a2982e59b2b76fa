package kubernetes

import (
	"testing"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// TestKubernetesRawBlock has a pod write to a device without a file system.
func TestKubernetesRawBlock(t *testing.T) {
	s := newScene(t, alphaOn)
	s.volume.Block = true
	s.start()
	s.cut()
	set := s.degraded()
	s.events(set, lost)
	s.goesOn()
	s.repair()
	set = s.healthyAgain()
	s.events(set, v1alpha1.ReasonHealthy)
	s.end()
}
