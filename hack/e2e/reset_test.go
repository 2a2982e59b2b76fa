package e2e

import (
	"fmt"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/hack/node"
	"github.com/braid-csi/braid/hack/rig"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

// nobody is a user like any but root.
const nobody = 65534

// TestResetAudited resets a volume's counters. The kernel's go to 0, the totals
// stay, and who did it is on record for good, as the kernel knows them. Where
// nothing is counted there is nothing to reset, and no record that says so.
func TestResetAudited(t *testing.T) {
	s := newScene(t, rig.Namespace{SizeMB: 64, Delay: slow})
	v := s.volume(0, "ext4")
	s.attach(v)
	count := s.failOver(v)
	s.refused(v)
	if !s.kernel.Counters {
		_, err := s.node.Reset(s.ctx, v.ID, "nothing to reset")
		if err == nil || !strings.Contains(err.Error(), "not supported") {
			t.Errorf("a reset of what Linux %s does not count: %v, want it not supported", s.kernel.Release, err)
		}
		s.detach(v)
		s.nothingLeft()
		return
	}
	if got := s.failovers(s.settled(v), 0); got != count {
		t.Fatalf("requests that were refused left %d failovers of %d", got, count)
	}

	const reason = "cable replaced"
	asked := time.Now().Add(-time.Second)
	cmd := exec.Command(node.Binary, "reset", "-volume", v.ID, "-reason", reason)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("braid-node reset: %v: %s", err, out)
	}
	t.Logf("braid-node reset:\n%s", out)

	view := s.settled(v)
	if err := check.Zeroed(view.Reading); err != nil {
		t.Errorf("after the reset: %v", err)
	}
	p, err := view.Path(s.addr(0))
	must(t, err)
	if got := p.Counts[nvme.Failovers]; got.Lifetime != count || got.SinceReset != 0 || !p.Exact {
		t.Errorf("after the reset: %+v, exact %t; want lifetime %d, 0 since, exact", got, p.Exact, count)
	}

	resets, err := s.node.Resets(s.ctx, v)
	must(t, err)
	if len(resets) != 1 {
		t.Fatalf("%d resets on record, want 1: %+v", len(resets), resets)
	}
	r := resets[0]
	by := fmt.Sprintf("uid 0, pid %d", cmd.Process.Pid)
	if !strings.Contains(r.By, by) || r.Reason != reason || r.At.Before(asked) || r.At.After(time.Now()) {
		t.Errorf("on record: by %q at %s because %q; want %q, now, %q", r.By, r.At, r.Reason, by, reason)
	}
	if got := r.Before[p.Address.String()][nvme.Failovers].SinceReset; got != count {
		t.Errorf("on record: %d failovers stood there before, want %d", got, count)
	}

	must(t, s.node.Restart(s.ctx))
	s.waitUsable(v, 2)
	s.survives(v, r, count)
	s.detach(v)
	s.ledgerLeft()
}

// refused asks for resets that nobody gets.
func (s *scene) refused(v node.Volume) {
	s.t.Helper()
	for _, c := range []struct {
		uid  uint32
		args []string
		want string
	}{
		{0, []string{"reset", "-volume", v.ID}, "-reason"},
		{0, []string{"reset", "-volume", v.ID, "-reason", " "}, "reason"},
		{0, []string{"reset", "-volume", "nobody's", "-reason", "x"}, "not staged"},
		{nobody, []string{"reset", "-volume", v.ID, "-reason", "x"}, "permission denied"},
		{nobody, []string{"paths"}, "permission denied"},
	} {
		out, err := node.CLIAs(s.ctx, c.uid, c.args...)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			s.t.Errorf("uid %d, %q: %v, %q; want an error with %q", c.uid, c.args, err, out, c.want)
		}
	}
	resets, err := s.node.Resets(s.ctx, v)
	must(s.t, err)
	if len(resets) != 0 {
		s.t.Errorf("requests that were refused are on record: %+v", resets)
	}
}

// survives wants the record of a reset and the total as they were.
func (s *scene) survives(v node.Volume, r ledger.Reset, lifetime uint64) {
	s.t.Helper()
	again, err := s.node.Resets(s.ctx, v)
	must(s.t, err)
	if len(again) != 1 || !reflect.DeepEqual(again[0], r) {
		s.t.Errorf("after SIGKILL the record is %+v, was %+v", again, r)
	}
	view := s.settled(v)
	p, err := check.PathOf(view.Report, s.addr(0))
	must(s.t, err)
	if got := p.Counts[nvme.Failovers].Lifetime; got != lifetime {
		s.t.Errorf("after SIGKILL the lifetime is %d, was %d", got, lifetime)
	}
	out, err := node.CLI(s.ctx, "resets", "-volume", v.ID)
	must(s.t, err)
	if !strings.Contains(out, r.ID) || !strings.Contains(out, r.By) || !strings.Contains(out, r.Reason) {
		s.t.Errorf("`braid-node resets` does not show the reset:\n%s", out)
	}
}
