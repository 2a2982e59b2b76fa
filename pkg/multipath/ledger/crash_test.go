package ledger

import (
	"errors"
	"io/fs"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/durable"
	"github.com/braid-csi/braid/pkg/nvme"
)

// Braid dies at each point of a reset of two paths with 9 failovers each. The
// next sample, with 1 more on each, finds out how far it got.
func TestResetCrash(t *testing.T) {
	lost := func(string, []byte, fs.FileMode) error { return syscall.ENOSPC }
	unsure := func(path string, data []byte, perm fs.FileMode) error {
		return errors.Join(durable.WriteFile(path, data, perm), syscall.EIO)
	}
	type outcome struct {
		P1, P2    Tally
		Resets    int
		Recovered bool
		Found     bool  // by its request
		After     Tally // of p1, on record
	}
	kept := Tally{10, 10, 10}
	zeroed := Tally{1, 1, 10}
	tests := map[string]struct {
		p1, p2   uint64 // what the kernel has when Braid dies
		complete func(string, []byte, fs.FileMode) error
		want     outcome
	}{
		"before the first write":        {9, 9, nil, outcome{kept, kept, 0, false, false, Tally{}}},
		"between the writes":            {0, 9, nil, outcome{zeroed, kept, 1, true, true, zeroed}},
		"after the writes":              {0, 0, nil, outcome{zeroed, zeroed, 1, true, true, zeroed}},
		"before the record's rename":    {0, 0, lost, outcome{zeroed, zeroed, 1, true, true, zeroed}},
		"after the record's rename":     {0, 0, unsure, outcome{zeroed, zeroed, 1, false, true, Tally{0, 0, 9}}},
		"after the record was complete": {0, 0, durable.WriteFile, outcome{zeroed, zeroed, 1, false, true, Tally{0, 0, 9}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			l := open(t, t.TempDir())
			observe(t, l, volume, map[string]Sample{"p1": sample(0, 9), "p2": sample(0, 9)})
			id, err := l.BeginReset(muted(t), volume, ResetRequest{By: "jane", Reason: "test", Request: "uid", At: at(1)})
			if err != nil {
				t.Fatal(err)
			}
			if tt.complete != nil {
				l.write = tt.complete
				_, _ = l.CompleteReset(muted(t), volume, id, map[string]Sample{"p1": sample(2, tt.p1), "p2": sample(2, tt.p2)})
			}
			// Twice, for the decision must be on disk as well.
			for seconds := range 2 {
				l = open(t, l.dir)
				observe(t, l, volume, map[string]Sample{"p1": sample(10+seconds, tt.p1+1), "p2": sample(10+seconds, tt.p2+1)})
				records, resets := l.Records(volume), l.Resets(volume)
				found, ok := l.ResetOf("uid")
				got := outcome{
					P1: records["p1"].Tallies[nvme.Failovers], P2: records["p2"].Tallies[nvme.Failovers],
					Resets: len(resets), Recovered: len(resets) > 0 && resets[0].Recovered,
					Found: ok, After: found.After["p1"][nvme.Failovers],
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("start %d (-want +got):\n%s", seconds+1, diff)
				}
			}
		})
	}
}

// What controllers counted while Braid was down is counted after the reset
// that was found at the start.
func TestRecoveredResetKeepsControllers(t *testing.T) {
	l := open(t, t.TempDir())
	observe(t, l, controllers, map[string]Sample{"p1": sample(0, 5)})
	observe(t, l, volume, map[string]Sample{"p1": sample(0, 9)})
	if _, err := l.BeginReset(muted(t), volume, ResetRequest{By: "jane", Reason: "test", At: at(1)}); err != nil {
		t.Fatal(err)
	}
	l = open(t, l.dir)
	observe(t, l, controllers, map[string]Sample{"p1": sample(10, 7)})
	observe(t, l, volume, map[string]Sample{"p1": sample(10, 0)})
	if got := l.ControllerRecords(volume)["p1"].Tallies[nvme.Failovers]; got != (Tally{7, 2, 7}) {
		t.Errorf("controller = %+v, want 2 since the reset", got)
	}
}
