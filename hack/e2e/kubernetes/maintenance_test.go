package kubernetes

import (
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/hack/lab"
	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// TestRemediationMaintenance has a target's port taken away that the cluster has
// drained before, on a person's word: no request fails over, and nothing is found
// wrong, until every path is back and proved to be. The port without which nothing
// would be left is not drained, and says so.
func TestRemediationMaintenance(t *testing.T) {
	s := newScene(t, alphaOn)
	s.start()
	one, two := s.addr(0).String(), s.addr(1).String()

	s.braid("maintenance", "start", one, "--reason", "firmware of port 1", "--for", "1h", "--wait")
	s.drained()
	s.kubectl("wait", "--for=condition=Drained", "nvmepathmaintenances", "--all", "--timeout=10s")
	_, err := s.lab.Run(s.ctx, "kubectl-braid", "maintenance", "start", two, "--reason", "too much")
	if err == nil || !strings.Contains(err.Error(), "is not drained") || !strings.Contains(err.Error(), "no other usable path") {
		t.Errorf("draining the last path: %v", err)
	}
	s.goesOn()
	s.drained()
	t.Logf("meanwhile\n%s", s.braid("maintenance"))
	s.braid("maintenance", "end", two)

	must(t, s.rig.Unlink(s.ctx, 0))
	s.goesOn()
	s.drained()
	s.keep("drained")
	s.repair()
	s.goesOn()
	s.drained() // what was drained waits to be asked back
	s.braid("maintenance", "end", one)
	s.undisturbed()

	s.braid("maintenance", "start", one, "--reason", "cable of port 1")
	s.drained()
	s.kubectl("delete", "nvmepathmaintenances", "--all")
	s.undisturbed()
	s.end()
}

// braid runs the plugin of kubectl, and returns what it printed.
func (s *scene) braid(args ...string) string {
	s.t.Helper()
	c, err := s.lab.Run(s.ctx, append([]string{"kubectl-braid"}, args...)...)
	must(s.t, err)
	return c.Output
}

func (s *scene) kubectl(args ...string) {
	s.t.Helper()
	_, err := s.lab.Run(s.ctx, append([]string{"kubectl"}, args...)...)
	must(s.t, err)
}

// drained wants the kernel to have no path to the first address, and the path set
// to say why, with nothing wrong.
func (s *scene) drained() {
	s.t.Helper()
	s.waitSet("the path set to tell of the maintenance", func(set v1alpha1.NVMePathSet) error {
		p, err := check.PathTo(set, s.addr(0))
		if err == nil && (p.Usable || p.Maintenance == nil || p.Maintenance.State != v1alpha1.MaintenanceDrained || p.Maintenance.Name == "") {
			err = errors.New("the first path is not drained")
		}
		return errors.Join(err, lab.HasCondition(set, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonHealthy),
			lab.HasCondition(set, v1alpha1.ConditionRedundant, metav1.ConditionFalse, v1alpha1.ReasonMaintenance))
	})
	ways := s.reading().Ways
	if _, there := ways[s.addr(0)]; there || len(ways) != 1 {
		s.t.Errorf("the kernel has %d paths, one to %s: %t", len(ways), s.addr(0), there)
	}
}

// undisturbed wants both paths to be usable, no request to have failed over, and
// nothing to have been found wrong since the volume was healthy.
func (s *scene) undisturbed() {
	s.t.Helper()
	set := s.waitSet("both paths to be back", lab.Healthy)
	s.goesOn()
	set = s.waitSet("its counts to be the kernel's", func(now v1alpha1.NVMePathSet) error {
		set = now
		return errors.Join(lab.Healthy(set), check.PathSetCounts(set, s.reading()))
	})
	for path := range 2 {
		if n := s.failovers(set, path); n != 0 {
			s.t.Errorf("%d failovers from path %d", n, path+1)
		}
	}
	for kind, name := range map[string]string{"NVMePathSet": set.Name, "PersistentVolumeClaim": s.volume.Name} {
		all, err := s.lab.Events(s.ctx, kind, name)
		must(s.t, err)
		for _, e := range all {
			if e.Type != corev1.EventTypeNormal {
				s.t.Errorf("%s %s has the event %s: %s", kind, name, e.Reason, e.Message)
			}
		}
	}
}
