package remediation

import (
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
)

func (f fault) String() string {
	return [...]string{"nothing is wrong", "it is not for the node to mend", "its controller is connecting",
		"its connections are silent", "its controller lacks the namespace", "it failed too often"}[f]
}

// faultOf says what is wrong with a path.
func (p Policy) faultOf(s *Situation, path *multipath.Path) fault {
	switch {
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
	}
	return none
}

func (t Threshold) reached(episodes int) bool { return episodes >= t.Episodes }
