package e2e

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

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

// judged asks for the findings, which are not known before the first scan after
// a start.
func (s *scene) judged(v node.Volume) (found node.Findings, known bool, err error) {
	found, err = s.node.VolumeHealth(s.ctx, v)
	if status.Code(err) == codes.Unavailable {
		return nil, false, nil
	}
	return found, err == nil, err
}

// waitFinding waits for a finding and returns all there are with it.
func (s *scene) waitFinding(v node.Volume, severity, reason string) (found node.Findings) {
	s.t.Helper()
	s.until(severity+" "+reason, func() (known bool, err error) {
		found, known, err = s.judged(v)
		return known && found.Has(severity, reason), err
	})
	s.t.Logf("health: %s", found)
	return found
}

// waitHealthy waits until there is no finding.
func (s *scene) waitHealthy(v node.Volume) {
	s.t.Helper()
	s.until("no finding", func() (bool, error) {
		found, known, err := s.judged(v)
		return known && len(found) == 0, err
	})
}
