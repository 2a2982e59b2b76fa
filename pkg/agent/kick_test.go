package agent

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/nvme"
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

// TestKickWithoutDelay: each snapshot is looked at as it comes, but none for a
// while once the API server has refused.
func TestKickWithoutDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newHouse(t, policyFor("gold", doing("KickConnection")))
		w.change(calm)
		w.node.evidence["nvme0"] = multipath.Evidence{HangsSince: after(1)}
		began := time.Now()
		var asked []time.Duration
		w.api.fail = func(verb, name string) error {
			if verb != "create" || name == "SelfSubjectReview" {
				return nil
			}
			if asked = append(asked, time.Since(began)); len(asked) == 1 {
				return errors.New("refused")
			}
			return nil
		}
		ctx, stop := context.WithCancel(w.ctx)
		snapshots, ended := make(chan struct{}, 1), make(chan error)
		go func() { ended <- w.steward.run(ctx, snapshots) }()
		for range 3 { // it finds out more, it asks, it is too soon to ask again
			synctest.Wait()
			snapshots <- struct{}{}
		}
		<-time.After(roundInterval)
		synctest.Wait()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]time.Duration{0, roundInterval}, asked); diff != "" {
			t.Errorf("asked for it after (-want +got):\n%s", diff)
		}
	})
}

// TestBench: what is much worse than the others is taken out of use where the
// policy says so, and is no fault where it does not.
func TestBench(t *testing.T) {
	w := newHouse(t, policyFor("gold", doing("ResetController", "Bench")))
	w.change(calm)
	w.node.marginal = []string{first}
	w.node.then = func() {
		w.change(func(set *multipath.PathSet) {
			set.Paths[0].State, set.Paths[0].BenchedUntil = nvme.StateAbsent, w.clock.Add(time.Hour)
		})
	}
	w.live(60)
	w.wants([]string{"True/Done: Bench Done"}, []string{"bench " + first})

	w = newHouse(t, policyFor("gold", doing("ResetController")))
	w.change(calm)
	w.node.marginal = []string{first}
	w.live(60)
	w.wants(nil, nil)
}
