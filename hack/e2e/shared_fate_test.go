package e2e

import (
	"strings"
	"testing"

	"github.com/braid-csi/braid/hack/node"
	"github.com/braid-csi/braid/hack/rig"
)

// TestRemediationSharedFate has one of the host's two interfaces fail where
// routing knows another way: the path comes back through the interface that is
// left. All paths are usable, and nothing is redundant.
func TestRemediationSharedFate(t *testing.T) {
	s := newScene(t, rig.Namespace{SizeMB: 64, Delay: quick})
	v := s.volume(0, "")
	s.attach(v)
	s.waitHealthy(v)
	w := s.write(v)
	first, second := s.rig.Net.Paths[0], s.rig.Net.Paths[1]

	must(t, second.Detour(first))
	s.waitShared(v, first.Host.String())
	must(t, s.node.Kill())
	must(t, s.node.Start(s.ctx))
	s.waitShared(v, first.Host.String()) // also after a restart
	s.goesOn(w)

	// The interface is back, but what is connected stays where it is.
	must(t, second.EndDetour(first))
	s.waitShared(v, first.Host.String())
	must(t, s.reading(v).Ways[s.addr(1)].Controller.Reset())
	s.waitUsable(v, 2)
	s.waitHealthy(v)
	s.goesOn(w)
	s.unharmed(w)
	s.detach(v)
	s.ledgerLeft()
}

// waitShared waits until both paths are said to be usable, and to share what
// they leave by.
func (s *scene) waitShared(v node.Volume, source string) {
	s.t.Helper()
	want := "2 of 2 paths usable, all through " + source
	s.until(want, func() (bool, error) {
		found, known, err := s.judged(v)
		for _, f := range found {
			if known && f.Reason == "PathRedundancyLost" && strings.Contains(f.Message, want) {
				return true, nil
			}
		}
		return false, err
	})
}
