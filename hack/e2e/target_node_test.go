package e2e

import (
	"math/rand/v2"
	"net/netip"

	"github.com/braid-csi/braid/hack/node"
	"github.com/braid-csi/braid/hack/nvmehost"
	"github.com/braid-csi/braid/pkg/nvme"
)

// volume is the target's namespace as a raw block volume.
func (s *targetScene) volume() node.Volume {
	s.t.Helper()
	v, err := node.NewVolume(s.t.TempDir(), "volume", "", s.nqn, targetUUID, s.addr(0), s.addr(1))
	must(s.t, err)
	return v
}

func (s *targetScene) addr(path int) netip.AddrPort {
	s.t.Helper()
	a, err := s.target.Address(uint16(path + 1))
	must(s.t, err)
	return a
}

// stage has braid-node connect the volume over both paths.
func (s *targetScene) stage(n *node.Node, v node.Volume) {
	s.t.Helper()
	must(s.t, n.Stage(s.ctx, v))
	var err error
	s.head, err = nvmehost.WaitHead(s.ctx, targetUUID)
	must(s.t, err)
	must(s.t, s.head.SetIOPolicy("round-robin"))
	s.paths = s.inOrder()
}

// inOrder are the head's paths, that to the first port first.
func (s *targetScene) inOrder() []nvmehost.Path {
	s.t.Helper()
	var ordered []nvmehost.Path
	s.until("both paths", func() (bool, error) {
		r, err := nvmehost.Read(targetUUID)
		ordered = []nvmehost.Path{r.Ways[s.addr(0)].Path, r.Ways[s.addr(1)].Path}
		return len(r.Ways) == 2, err
	})
	return ordered
}

// failOver has a random number of reads fail over from a path.
func (s *targetScene) failOver(path int) uint64 {
	s.t.Helper()
	n := 1 + rand.Int64N(100)
	s.inject(path, n, nvme.StatusControllerPathError)
	return uint64(n)
}
