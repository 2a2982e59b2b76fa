package remediation

import (
	"slices"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/nvme"
)

// Doubtful returns the key of a path on which requests hang, if too little is
// known to say whether its connections are dead, and the policy would end those
// that are; "" if there is none. Who can should find out more, before Next is
// asked again.
func Doubtful(p Policy, s Situation) string {
	if s.Set == nil || !slices.Contains(p.Steps, KickConnection) {
		return ""
	}
	for i := range s.Set.Paths {
		path := &s.Set.Paths[i]
		e := s.Evidence[path.Controller]
		if path.State != nvme.StateLive || e.HangsSince.IsZero() || s.Suspended.covers(path) {
			continue
		}
		if c := s.controller(path); c == nil || c.Owner != multipath.Owner {
			continue
		}
		if e.Connections != multipath.Silent || !e.OthersComplete {
			return path.Key
		}
	}
	return ""
}
