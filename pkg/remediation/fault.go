package remediation

import (
	"slices"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/nvme"
)

// fault is what is wrong with a path, as far as a step could help.
type fault int

const (
	none fault = iota
	// elsewhere: what is wrong is the target's or the kernel's to mend.
	elsewhere
	// connecting: its controller has lost its connections.
	connecting
	// silent: its controller is live, but its connections are dead.
	silent
	// nameless: its controller is live, but has no such namespace.
	nameless
	// restless: it is usable, but failed too often of late.
	restless
	// detoured: it is usable, but has come back by the way that another path takes.
	detoured
	// marginal: it is usable, but much worse than the others.
	marginal
)

func (f fault) String() string {
	return [...]string{"nothing is wrong", "it is not for the node to mend", "its controller is connecting",
		"its connections are silent", "its controller lacks the namespace", "it failed too often",
		"it leaves the host by the way of another path", "it is much worse than the others"}[f]
}

// faultOf says what is wrong with a path.
func (p Policy) faultOf(s *Situation, path *multipath.Path) fault {
	switch {
	case !path.BenchedUntil.IsZero() && !path.Usable():
		return none // it is where it was put
	case path.State == nvme.StateConnecting:
		return connecting
	case path.State != nvme.StateLive:
		return elsewhere
	case s.Evidence[path.Controller].Connections == multipath.Silent:
		return silent
	case path.Name == "":
		return nameless
	case !path.Usable():
		return elsewhere
	case p.Flapping.reached(path.Record.EpisodesSince(s.Now.Add(-p.Flapping.Window))),
		p.Unstable.reached(path.ControllerRecord.EpisodesSince(s.Now.Add(-p.Unstable.Window))):
		return restless
	case detour(s.Set, path):
		return detoured
	case slices.Contains(s.Marginal, path.Key):
		return marginal
	}
	return none
}

// detour tells whether a path has left its own way out of the host for one that
// another path takes, as where an interface has failed and routing knows another:
// it stays there when the interface is back, until it is connected anew.
func detour(set *multipath.PathSet, path *multipath.Path) bool {
	if path.SrcAddr == "" || path.FirstSrcAddr == "" || path.SrcAddr == path.FirstSrcAddr {
		return false
	}
	for i := range set.Paths {
		if other := &set.Paths[i]; other.Key != path.Key && other.Usable() && other.SrcAddr == path.SrcAddr {
			return true
		}
	}
	return false
}

func (t Threshold) reached(episodes int) bool { return episodes >= t.Episodes }
