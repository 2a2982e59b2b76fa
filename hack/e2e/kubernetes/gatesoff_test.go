package kubernetes

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/braid-csi/braid/hack/lab"
	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// TestKubernetesGatesOff has a default cluster, in which kubelet asks nobody
// for the health of volumes: path set, events and metrics must tell all of it.
func TestKubernetesGatesOff(t *testing.T) {
	s := newScene(t, alphaOff)
	s.start()
	s.metrics("while all is well", 2, 0)
	s.cut()
	set := s.degraded()
	n := s.failovers(set, 0)
	s.events(set, lost)
	s.goesOn()
	s.metrics("after the cut", 1, n)
	s.repair()
	set = s.healthyAgain()
	s.events(set, v1alpha1.ReasonHealthy)
	s.metrics("after the repair", 2, n)
	if health, err := s.lab.VolumeHealth(s.ctx, s.pod); err != nil || len(health) > 0 {
		t.Errorf("volume health %v, %v though the gate is off", health, err)
	}
	s.end()
	s.noMetrics()
}

// metrics wants Prometheus to get to know how many paths are usable, how many
// requests failed over from the first, what is wrong, and whose volume it is.
func (s *scene) metrics(when string, usable, failovers int64) {
	s.t.Helper()
	v := s.volume.Name
	first, second := pathLabels(v, s.addr(0)), pathLabels(v, s.addr(1))
	finding := fmt.Sprintf(`braid_volume_finding{reason=%q,status="Degraded",volume=%q}`, lost, v)
	want := map[string]float64{
		fmt.Sprintf("braid_volume_paths_expected{volume=%q}", v): 2,
		fmt.Sprintf("braid_volume_paths_usable{volume=%q}", v):   float64(usable),
		"braid_path_usable" + first:                              float64(usable - 1),
		"braid_path_usable" + second:                             1,
		"braid_path_failovers_total" + first:                     float64(failovers),
		"braid_path_failovers_total" + second:                    0,
		finding:                                                  float64(2 - usable),
	}
	have, err := s.lab.Metrics(s.ctx)
	must(s.t, err)
	for name, value := range want {
		got, ok := have[name]
		if name == finding && value == 0 {
			if ok {
				s.t.Errorf("metrics %s: %s is there", when, name)
			}
			continue
		}
		if !ok || got != value {
			s.t.Errorf("metrics %s: %s is %v (there: %t), want %v", when, name, got, ok, value)
		}
	}
	labels := fmt.Sprintf(`namespace=%q,`, lab.Namespace)
	if !hasLabels(have, "braid_volume_info{", labels, fmt.Sprintf("persistentvolumeclaim=%q", v), fmt.Sprintf("volume=%q", v)) {
		s.t.Errorf("metrics %s: no braid_volume_info joins the volume and its claim", when)
	}
}

func pathLabels(volume string, addr netip.AddrPort) string {
	return fmt.Sprintf(`{path="tcp://%s",volume=%q}`, addr, volume)
}

// noMetrics wants the series of a volume to end with its staging.
func (s *scene) noMetrics() {
	s.t.Helper()
	have, err := s.lab.Metrics(s.ctx)
	must(s.t, err)
	if hasLabels(have, "braid_", fmt.Sprintf("volume=%q", s.volume.Name)) {
		s.t.Errorf("there are metrics of a volume that is gone")
	}
}

// hasLabels tells whether there is a series with that beginning of its name and
// all of the labels.
func hasLabels(series map[string]float64, name string, labels ...string) bool {
	for have := range series {
		all := strings.HasPrefix(have, name)
		for _, l := range labels {
			all = all && strings.Contains(have, l)
		}
		if all {
			return true
		}
	}
	return false
}
