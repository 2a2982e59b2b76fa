package e2e

import (
	"context"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/hack/node"
	"github.com/braid-csi/braid/hack/nvmehost"
)

// settled returns what braid-node and sysfs say of a volume once they agree;
// that they never do fails the scenario.
func (s *scene) settled(v node.Volume) check.View {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	view, err := check.Settled(ctx, s.node, v)
	must(s.t, err)
	return view
}

// reading is what sysfs says of a volume.
func (s *scene) reading(v node.Volume) nvmehost.Reading {
	s.t.Helper()
	r, err := nvmehost.Read(v.Context["namespaceUUID"])
	must(s.t, err)
	return r
}

// health is what NodeGetVolumeHealth says.
func (s *scene) health(v node.Volume) node.Findings {
	s.t.Helper()
	found, err := s.node.VolumeHealth(s.ctx, v)
	must(s.t, err)
	return found
}

// waitFinding waits for a finding and returns all there are with it.
func (s *scene) waitFinding(v node.Volume, status, reason string) (found node.Findings) {
	s.t.Helper()
	s.until(status+" "+reason, func() (_ bool, err error) {
		found, err = s.node.VolumeHealth(s.ctx, v)
		return found.Has(status, reason), err
	})
	s.t.Logf("health: %s", found)
	return found
}

// waitHealthy waits until there is no finding.
func (s *scene) waitHealthy(v node.Volume) {
	s.t.Helper()
	s.until("no finding", func() (bool, error) {
		found, err := s.node.VolumeHealth(s.ctx, v)
		return len(found) == 0, err
	})
}
