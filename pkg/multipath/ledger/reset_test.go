package ledger

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/nvme"
)

func TestResetRequest(t *testing.T) {
	good := ResetRequest{By: "jane@example.org", Reason: "Kabel getauscht, Ö", At: noon}
	named := good
	named.Request = "6f1c6d8e-0000-4000-8000-000000000001"
	for _, q := range []ResetRequest{good, named} {
		if err := q.check(); err != nil {
			t.Errorf("%+v: %v", q, err)
		}
	}
	for name, spoil := range map[string]func(*ResetRequest){
		"no by":          func(q *ResetRequest) { q.By = "" },
		"blank reason":   func(q *ResetRequest) { q.Reason = " " },
		"newline":        func(q *ResetRequest) { q.Reason = "a\nb" },
		"escape":         func(q *ResetRequest) { q.By = "\x1b[31m" },
		"not UTF-8":      func(q *ResetRequest) { q.By = "\xff" },
		"long by":        func(q *ResetRequest) { q.By = strings.Repeat("x", 2049) },
		"long reason":    func(q *ResetRequest) { q.Reason = strings.Repeat("x", 1025) },
		"long request":   func(q *ResetRequest) { q.Request = strings.Repeat("x", 65) },
		"blank request":  func(q *ResetRequest) { q.Request = " " },
		"no time":        func(q *ResetRequest) { q.At = time.Time{} },
		"right-to-left":  func(q *ResetRequest) { q.By = "\u202eenaj" },
		"line separator": func(q *ResetRequest) { q.Reason = "a\u2028b" },
	} {
		q := good
		spoil(&q)
		if err := q.check(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: error = %v, want %v", name, err, ErrInvalid)
		}
	}
}

// path is a reading of a path's three counters.
func path(seconds int, failovers, retries, errs uint64) Sample {
	return with(sample(seconds, 0), func(s *Sample) {
		s.Counters = nvme.Counters{nvme.Failovers: failovers, nvme.Retries: retries, nvme.Errors: errs}
	})
}

// counted is a record that was first read at second 0 with 10, 4 and 0.
func counted(t *testing.T) Record {
	t.Helper()
	r, _ := merge(Record{}, path(0, 10, 4, 0), DefaultQuietTime)
	return r
}

func TestRebase(t *testing.T) {
	tests := map[string]struct {
		after Sample
		want  Tallies
		exact bool
	}{
		"zeroed": {
			after: path(2, 0, 0, 0),
			want:  Tallies{nvme.Failovers: {0, 0, 10}, nvme.Retries: {0, 0, 4}, nvme.Errors: {0, 0, 0}},
			exact: true,
		},
		"counted meanwhile": {
			after: path(2, 3, 1, 2),
			want:  Tallies{nvme.Failovers: {3, 3, 13}, nvme.Retries: {1, 1, 5}, nvme.Errors: {2, 2, 2}},
			exact: true,
		},
		"one not written, or past its old value": {
			after: path(2, 0, 6, 0),
			want:  Tallies{nvme.Failovers: {0, 0, 10}, nvme.Retries: {6, 2, 6}, nvme.Errors: {0, 0, 0}},
		},
		"inexact source": {
			after: with(path(2, 0, 0, 0), func(s *Sample) { s.Exact = false }),
			want:  Tallies{nvme.Failovers: {0, 0, 10}, nvme.Retries: {0, 0, 4}, nvme.Errors: {0, 0, 0}},
		},
		"made anew meanwhile": {
			after: with(path(2, 1, 0, 0), func(s *Sample) { s.Epoch = "b" }),
			want:  Tallies{nvme.Failovers: {1, 1, 11}, nvme.Retries: {0, 0, 4}, nvme.Errors: {0, 0, 0}},
		},
		"path is gone": {
			after: Sample{},
			want:  Tallies{nvme.Failovers: {10, 0, 10}, nvme.Retries: {4, 0, 4}, nvme.Errors: {0, 0, 0}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := rebase(counted(t), tt.after, at(1), DefaultQuietTime)
			if diff := cmp.Diff(tt.want, got.Tallies); diff != "" {
				t.Errorf("tallies (-want +got):\n%s", diff)
			}
			if got.Exact != tt.exact || !got.CountedSince.Equal(at(1)) {
				t.Errorf("Exact = %t since %v, want %t since %v", got.Exact, got.CountedSince, tt.exact, at(1))
			}
		})
	}
}

// recoverable is a book with two paths and a reset that nobody ended.
func recoverable(t *testing.T) book {
	b := newBook(volume)
	b.Records = map[string]Record{"p1": counted(t), "p2": counted(t)}
	b.Pending = &intent{ID: "id", By: "jane", Reason: "why", Request: "uid", At: at(1)}
	return b
}

func TestJudge(t *testing.T) {
	reborn := func(s *Sample) { s.Epoch = "b" }
	tests := map[string]struct {
		samples map[string]Sample
		reset   []string // the records that were reset; none: it did not happen
	}{
		"nothing was written":         {map[string]Sample{"p1": path(2, 10, 4, 0), "p2": path(2, 11, 4, 0)}, nil},
		"all was written":             {map[string]Sample{"p1": path(2, 0, 0, 0), "p2": path(2, 3, 0, 0)}, []string{"p1", "p2"}},
		"one path was written":        {map[string]Sample{"p1": path(2, 0, 0, 0), "p2": path(2, 10, 4, 0)}, []string{"p1"}},
		"one counter was written":     {map[string]Sample{"p1": path(2, 0, 4, 0), "p2": path(2, 10, 4, 0)}, []string{"p1"}},
		"rebooted meanwhile":          {map[string]Sample{"p1": with(path(2, 0, 0, 0), reborn), "p2": with(path(2, 0, 0, 0), reborn)}, nil},
		"one made anew, one written":  {map[string]Sample{"p1": with(path(2, 0, 0, 0), reborn), "p2": path(2, 0, 0, 0)}, []string{"p2"}},
		"one unseen, one written":     {map[string]Sample{"p2": path(2, 0, 0, 0)}, []string{"p2"}},
		"written, past the old value": {map[string]Sample{"p1": path(2, 10, 4, 0)}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			before := recoverable(t)
			b, reset := before.judge(tt.samples, DefaultQuietTime)
			if b.Pending != nil {
				t.Error("still pending")
			}
			want := recoverable(t)
			if tt.reset == nil {
				if diff := cmp.Diff(want.Records, b.Records); reset != nil || diff != "" {
					t.Errorf("reset = %+v, records (-want +got):\n%s", reset, diff)
				}
				return
			}
			wantReset := &Reset{
				ID: "id", By: "jane", Reason: "why", Request: "uid", At: at(1), Recovered: true,
				Before: map[string]Tallies{}, After: map[string]Tallies{},
			}
			for _, k := range tt.reset {
				wantReset.Before[k] = want.Records[k].Tallies
				want.Records[k] = rebase(want.Records[k], tt.samples[k], at(1), DefaultQuietTime)
				wantReset.After[k] = want.Records[k].Tallies
			}
			if diff := cmp.Diff(wantReset, reset); diff != "" {
				t.Errorf("reset (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(want.Records, b.Records); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
		})
	}
}

// A reset of counters that read 0 cannot be told from none; it is taken for
// none, and what was counted before stays in since-reset.
func TestJudgeZeroCounters(t *testing.T) {
	b := newBook(volume)
	r, _ := merge(counted(t), with(path(1, 0, 0, 0), func(s *Sample) { s.Epoch = "b" }), DefaultQuietTime)
	b.Records = map[string]Record{"p1": r}
	b.Pending = &intent{ID: "id", At: at(2)}
	b, reset := b.judge(map[string]Sample{"p1": with(path(3, 0, 0, 0), func(s *Sample) { s.Epoch = "b" })}, DefaultQuietTime)
	if reset != nil {
		t.Errorf("reset = %+v, want none", reset)
	}
	if got := b.Records["p1"].Tallies[nvme.Failovers]; got != (Tally{0, 10, 10}) {
		t.Errorf("failovers = %+v, want what they were", got)
	}
}
