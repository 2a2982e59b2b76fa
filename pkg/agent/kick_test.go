package agent

import (
	"testing"

	"github.com/braid-csi/braid/pkg/multipath"
)

// TestKick: what is dead is kicked, and once only for the same requests.
func TestKick(t *testing.T) {
	w := newHouse(t, policyFor("gold", doing("ResetController", "KickConnection", "ResetCounters")))
	w.change(calm)
	w.node.evidence["nvme0"] = multipath.Evidence{Connections: multipath.Silent, OthersComplete: true, Requests: "7"}
	w.live(120) // and it stays dead
	w.wants([]string{"False/FaultPersists: KickConnection Done, ResetCounters Skipped"}, []string{"kick " + first})
	if got := w.recorded()[0].Status.Steps[0].Requests; got != "7" {
		t.Errorf("on record are the requests %q, want 7", got)
	}
	w.restart() // what was kicked for is on record
	w.live(120)
	w.wants([]string{"False/FaultPersists: KickConnection Done, ResetCounters Skipped"}, []string{"kick " + first})
	if got := w.says(); got[len(got)-1] != "NotRemediated SameRequests" {
		t.Errorf("told %q", got)
	}
}

// TestKickUnproved: where requests hang, and nobody can say why, more is found out
// before a connection is ended.
func TestKickUnproved(t *testing.T) {
	w := newHouse(t, policyFor("gold", doing("KickConnection")))
	w.change(calm)
	w.node.evidence["nvme0"] = multipath.Evidence{HangsSince: after(1)}
	w.live(120)
	w.wants([]string{"False/FaultPersists: KickConnection Done"}, []string{"prove " + first, "kick " + first})
}
