package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/durable"
	"github.com/braid-csi/braid/pkg/nvme"
)

func TestReset(t *testing.T) {
	l := open(t, t.TempDir())
	resets := func(seconds int, n uint64) Sample {
		return with(sample(seconds, 0), func(s *Sample) { s.Counters = nvme.Counters{nvme.Resets: n} })
	}
	observe(t, l, controllers, map[string]Sample{"p1": resets(0, 5), "p2": resets(0, 6)})
	observe(t, l, volume, map[string]Sample{"p1": sample(0, 10), "p2": sample(0, 20), HeadKey: sample(0, 0)})

	req := ResetRequest{By: "jane", Reason: "cable replaced", Request: "ticket-1", At: at(60)}
	id, err := l.BeginReset(muted(t), volume, req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.BeginReset(muted(t), volume, req); !errors.Is(err, ErrResetPending) {
		t.Errorf("second BeginReset: %v, want %v", err, ErrResetPending)
	}
	// The kernel is written, the usual scan comes in between and sees 2 of 3.
	observe(t, l, volume, map[string]Sample{"p1": with(sample(61, 2), func(s *Sample) { s.Down = true })})
	reset, err := l.CompleteReset(muted(t), volume, id, map[string]Sample{"p1": sample(62, 3), HeadKey: sample(62, 0)})
	if err != nil {
		t.Fatal(err)
	}
	want := Reset{ID: id, By: "jane", Reason: "cable replaced", Request: "ticket-1", At: at(60), Before: map[string]Tallies{
		"p1":    {nvme.Failovers: {10, 10, 10}},
		HeadKey: {nvme.Failovers: {0, 0, 0}},
	}, After: map[string]Tallies{
		"p1":    {nvme.Failovers: {3, 3, 13}},
		HeadKey: {nvme.Failovers: {0, 0, 0}},
	}}
	if diff := cmp.Diff(want, reset); diff != "" {
		t.Errorf("reset (-want +got):\n%s", diff)
	}
	if again, err := l.CompleteReset(muted(t), volume, id, nil); err != nil || !cmp.Equal(again, want) {
		t.Errorf("completed again: %+v, %v", again, err)
	}
	observe(t, l, controllers, map[string]Sample{"p1": resets(70, 7), "p2": resets(70, 6)})

	for _, l := range []*Ledger{l, open(t, l.dir)} {
		records := l.Records(volume)
		if got := records["p1"]; got.Tallies[nvme.Failovers] != (Tally{3, 3, 13}) || !got.CountedSince.Equal(at(60)) || !got.Exact {
			t.Errorf("p1 = %+v, want 3 since the reset, 13 in all", got)
		}
		if got := records["p1"].Episodes; len(got) != 1 || !got[0].Equal(at(61)) {
			t.Errorf("episodes = %v, want one, when the path went down", got)
		}
		if got := records["p2"]; got.Tallies[nvme.Failovers] != (Tally{20, 20, 20}) || !got.CountedSince.Equal(at(0)) {
			t.Errorf("p2 = %+v, want it untouched", got)
		}
		if diff := cmp.Diff([]Reset{want}, l.Resets(volume)); diff != "" {
			t.Errorf("resets (-want +got):\n%s", diff)
		}
		if got, ok := l.ResetOf("ticket-1"); !ok || !cmp.Equal(want, got) {
			t.Errorf("ResetOf = %+v, %t, want the reset", got, ok)
		}
		for _, request := range []string{"ticket-2", ""} {
			if got, ok := l.ResetOf(request); ok {
				t.Errorf("ResetOf(%q) = %+v, want none", request, got)
			}
		}
		seen := l.ControllerRecords(volume)
		if got := seen["p1"]; got.Tallies[nvme.Resets] != (Tally{7, 2, 7}) || !got.CountedSince.Equal(at(60)) {
			t.Errorf("controller p1 = %+v, want 2 since the reset", got)
		}
		if got := seen["p2"]; got.Tallies[nvme.Resets] != (Tally{6, 0, 6}) || !got.CountedSince.Equal(at(60)) {
			t.Errorf("controller p2 = %+v, want 0 since the reset of the whole volume", got)
		}
		if got := l.Records(controllers)["p1"].Tallies[nvme.Resets]; got != (Tally{7, 7, 7}) {
			t.Errorf("controllers' own record of p1 = %+v, want it untouched", got)
		}
	}
}

// A reset of one path takes only that path's controller along.
func TestResetOfOnePath(t *testing.T) {
	l := open(t, t.TempDir())
	observe(t, l, controllers, map[string]Sample{"p1": sample(0, 5), "p2": sample(0, 6)})
	observe(t, l, volume, map[string]Sample{"p1": sample(0, 1), "p2": sample(0, 1)})
	id, err := l.BeginReset(muted(t), volume, ResetRequest{By: "jane", Reason: "test", At: at(1)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.CompleteReset(muted(t), volume, id, map[string]Sample{"p1": sample(2, 0)}); err != nil {
		t.Fatal(err)
	}
	seen := l.ControllerRecords(volume)
	if a, b := seen["p1"].CountedSince, seen["p2"].CountedSince; !a.Equal(at(1)) || !b.Equal(at(0)) {
		t.Errorf("controllers counted since %v and %v, want %v and %v", a, b, at(1), at(0))
	}
}

func TestResetErrors(t *testing.T) {
	ctx, l := muted(t), open(t, t.TempDir())
	req := ResetRequest{By: "jane", Reason: "test", At: at(1)}
	if _, err := l.BeginReset(ctx, volume, req); !errors.Is(err, ErrNoBook) {
		t.Errorf("unknown volume: %v, want %v", err, ErrNoBook)
	}
	observe(t, l, volume, map[string]Sample{"p1": sample(0, 1)})
	if _, err := l.BeginReset(ctx, volume, ResetRequest{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("empty request: %v, want %v", err, ErrInvalid)
	}
	if _, err := l.BeginReset(ctx, controllers, req); !errors.Is(err, ErrShared) {
		t.Errorf("controllers: %v, want %v", err, ErrShared)
	}
	if _, err := l.CompleteReset(ctx, volume, "x", nil); !errors.Is(err, ErrNoReset) {
		t.Errorf("complete nothing: %v, want %v", err, ErrNoReset)
	}
	if err := l.AbandonReset(ctx, volume, "x"); !errors.Is(err, ErrNoReset) {
		t.Errorf("abandon nothing: %v, want %v", err, ErrNoReset)
	}
	id, err := l.BeginReset(ctx, volume, req)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.AbandonReset(ctx, volume, id); err != nil {
		t.Errorf("abandon: %v", err)
	}
}

// A reset that was given up is what the next sample shows: nothing was
// written, or something was.
func TestAbandonReset(t *testing.T) {
	l := open(t, t.TempDir())
	observe(t, l, volume, map[string]Sample{"p1": sample(0, 9), "p2": sample(0, 9)})
	for i, step := range []struct {
		p1   uint64
		want Tally
		n    int
	}{
		{9, Tally{9, 9, 9}, 0},
		{1, Tally{1, 1, 10}, 1},
	} {
		id, err := l.BeginReset(muted(t), volume, ResetRequest{By: "jane", Reason: "test", At: at(2 * i)})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.AbandonReset(muted(t), volume, id); err != nil {
			t.Fatal(err)
		}
		observe(t, l, volume, map[string]Sample{"p1": sample(2*i+1, step.p1), "p2": sample(2*i+1, 9)})
		if got := l.Records(volume)["p1"].Tallies[nvme.Failovers]; got != step.want {
			t.Errorf("step %d: p1 = %+v, want %+v", i, got, step.want)
		}
		if got := l.Records(volume)["p2"].Tallies[nvme.Failovers]; got != (Tally{9, 9, 9}) {
			t.Errorf("step %d: p2 = %+v, want it untouched", i, got)
		}
		if got := l.Resets(volume); len(got) != step.n {
			t.Errorf("step %d: resets = %+v, want %d", i, got, step.n)
		}
	}
}

// A step that cannot be written has not happened, and can be tried again.
func TestResetOnFullDisk(t *testing.T) {
	ctx, l := muted(t), open(t, t.TempDir())
	observe(t, l, volume, map[string]Sample{"p1": sample(0, 9)})
	req := ResetRequest{By: "jane", Reason: "test", At: at(1)}
	full := func(string, []byte, fs.FileMode) error { return syscall.ENOSPC }

	l.write = full
	if _, err := l.BeginReset(ctx, volume, req); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("begin: %v, want %v", err, syscall.ENOSPC)
	}
	l.write = durable.WriteFile
	id, err := l.BeginReset(ctx, volume, req)
	if err != nil {
		t.Fatal(err)
	}
	l.write = full
	if _, err := l.CompleteReset(ctx, volume, id, map[string]Sample{"p1": sample(2, 1)}); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("complete: %v, want %v", err, syscall.ENOSPC)
	}
	l.write = durable.WriteFile
	if _, err := l.CompleteReset(ctx, volume, id, map[string]Sample{"p1": sample(3, 2)}); err != nil {
		t.Fatal(err)
	}
	if got := l.Records(volume)["p1"].Tallies[nvme.Failovers]; got != (Tally{2, 2, 11}) {
		t.Errorf("failovers = %+v, want each counted once", got)
	}
}

// Whoever began a reset and says no more is taken for dead after a while.
func TestResetTimeout(t *testing.T) {
	l := open(t, t.TempDir())
	observe(t, l, volume, map[string]Sample{"p1": sample(0, 9)})
	id, err := l.BeginReset(muted(t), volume, ResetRequest{By: "jane", Reason: "test", At: at(1)})
	if err != nil {
		t.Fatal(err)
	}
	observe(t, l, volume, map[string]Sample{"p1": sample(61, 1)})
	if got := l.Resets(volume); len(got) != 0 {
		t.Errorf("decided too early: %+v", got)
	}
	observe(t, l, volume, map[string]Sample{"p1": sample(62, 1)})
	if got := l.Resets(volume); len(got) != 1 || got[0].ID != id || !got[0].Recovered {
		t.Errorf("resets = %+v, want the one that timed out", got)
	}
}

func TestResetsAreBounded(t *testing.T) {
	l := open(t, t.TempDir())
	observe(t, l, volume, map[string]Sample{"p1": sample(0, 9)})
	for i := range 40 {
		id, err := l.BeginReset(muted(t), volume, ResetRequest{By: "jane", Reason: fmt.Sprint(i), At: at(i)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.CompleteReset(muted(t), volume, id, map[string]Sample{"p1": sample(i, 0)}); err != nil {
			t.Fatal(err)
		}
	}
	if got := l.Resets(volume); len(got) != maxResets || got[maxResets-1].Reason != "39" {
		t.Errorf("%d resets kept, want the latest %d", len(got), maxResets)
	}
}

// A reset found at the start may be completed by whoever knows its ID; it is
// then over, and the next one is not taken for an orphan.
func TestCompleteAfterRestart(t *testing.T) {
	l := open(t, t.TempDir())
	observe(t, l, volume, map[string]Sample{"p1": sample(0, 9)})
	req := ResetRequest{By: "jane", Reason: "test", At: at(1)}
	id, err := l.BeginReset(muted(t), volume, req)
	if err != nil {
		t.Fatal(err)
	}
	l = open(t, l.dir)
	if reset, err := l.CompleteReset(muted(t), volume, id, map[string]Sample{"p1": sample(2, 1)}); err != nil || reset.Recovered {
		t.Fatalf("complete: %+v, %v", reset, err)
	}
	if _, err := l.BeginReset(muted(t), volume, req); err != nil {
		t.Fatal(err)
	}
	observe(t, l, volume, map[string]Sample{"p1": sample(3, 0)})
	if got := l.Resets(volume); len(got) != 1 {
		t.Errorf("resets = %+v, want the second one still pending", got)
	}
}
