package health

import (
	"cmp"
	"time"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/nvme"
)

// survey sorts a set's paths by what they are good for.
type survey struct {
	// usable paths, expected or not: redundancy is what is there.
	usable []*multipath.Path
	// expected counts the usable paths that the volume asks for.
	expected int
	// optimized tells whether the target prefers one of the usable paths, or
	// has no preference.
	optimized bool
	// down are the expected paths that are not usable, joining how many more
	// are still on their way up.
	down    []*multipath.Path
	joining int
	// resting are those that are not usable because of maintenance.
	resting []*multipath.Path
	// fate is what all usable paths share, where the expected ones do not and
	// there are at least two: "to 192.0.2.1:4420" or "through eth0".
	fate string
}

func surveyOf(set *multipath.PathSet, staging time.Time) survey {
	var s survey
	for i := range set.Paths {
		p := &set.Paths[i]
		switch {
		case p.Usable():
			s.usable = append(s.usable, p)
			if p.Expected {
				s.expected++
			}
			if p.ANAState != nvme.ANANonOptimized {
				s.optimized = true
			}
		case !p.Expected:
		case p.Maintenance != nil:
			s.resting = append(s.resting, p)
		case joining(p, staging):
			s.joining++
		default:
			s.down = append(s.down, p)
		}
	}
	s.fate = sharedFate(set, s.usable)
	return s
}

// joining tells that a path has not been up since staging began and that no
// attempt to connect it is known to have failed. What the ledger knows from
// an earlier staging is no evidence, nor is a sample of a path that has no ANA
// state yet: Linux shows a path, and its counters, a moment before it sets the
// state from the ANA log (nvme_alloc_ns in drivers/nvme/host/core.c); one that
// was up keeps its last state.
func joining(p *multipath.Path, staging time.Time) bool {
	if staging.IsZero() || p.ConnectError != "" {
		return false
	}
	return p.ANAState == nvme.ANAUnknown ||
		!p.Record.LastSample.After(staging) && !p.Record.LastEvent.After(staging)
}

// sharedFate judges against what the volume's paths promised: a volume that was
// configured with one target port, or whose paths have left by one local address
// from the beginning, has no redundancy there to lose.
func sharedFate(set *multipath.PathSet, usable []*multipath.Path) string {
	if len(usable) < 2 {
		return ""
	}
	for _, side := range []struct {
		word          string
		promised, now func(*multipath.Path) string
	}{
		{"to", targetSide, targetSide},
		{"through", func(p *multipath.Path) string { return hostSide(p, p.FirstSrcAddr) },
			func(p *multipath.Path) string { return hostSide(p, p.SrcAddr) }},
	} {
		promised := make(map[string]bool)
		for i := range set.Paths {
			if end := side.promised(&set.Paths[i]); set.Paths[i].Expected && end != "" {
				promised[end] = true
			}
		}
		left := make(map[string]bool)
		for _, p := range usable {
			left[side.now(p)] = true
		}
		first := side.now(usable[0])
		if len(promised) > 1 && len(left) == 1 && first != "" {
			return side.word + " " + first
		}
	}
	return ""
}

func targetSide(p *multipath.Path) string { return p.Address.Address() }

// hostSide names the host's end of a path: what the volume asks for, or else
// the address that routing chose; empty where that is not known.
func hostSide(p *multipath.Path, routed string) string {
	return cmp.Or(p.Address.HostIface, p.Address.HostTrAddr, routed)
}
