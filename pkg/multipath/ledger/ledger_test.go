package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/durable"
	"github.com/braid-csi/braid/pkg/nvme"
)

var (
	volume = Key{
		Subsystem: "nqn.2026-11.io.example:s1",
		Namespace: nvme.NamespaceID{Type: nvme.UUID, Value: "0c7f1a2b-3c4d-4e5f-8a9b-0c1d2e3f4a5b"},
	}
	controllers = volume.controllers()
)

// muted is a context whose logger says nothing.
func muted(t testing.TB) context.Context { return klog.NewContext(t.Context(), klog.Logger{}) }

func open(t *testing.T, dir string) *Ledger {
	t.Helper()
	l, err := Open(muted(t), dir)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func observe(t *testing.T, l *Ledger, key Key, samples map[string]Sample) {
	t.Helper()
	if err := l.Observe(muted(t), key, samples); err != nil {
		t.Fatal(err)
	}
}

// countWrites makes the ledger count what it writes.
func countWrites(l *Ledger) *int {
	n, write := new(int), l.write
	l.write = func(path string, data []byte, perm fs.FileMode) error {
		*n++
		return write(path, data, perm)
	}
	return n
}

// An idle node does not write; what must survive is written at once.
func TestObserveWrites(t *testing.T) {
	l := open(t, t.TempDir())
	writes := countWrites(l)
	hour := int(sampleInterval / time.Second)
	for _, step := range []struct {
		what   string
		sample Sample
		writes int
	}{
		{"nothing to say", Sample{At: at(0)}, 0},
		{"first sample", sample(0, 1), 1},
		{"idle", sample(1, 1), 0},
		{"failover", sample(2, 2), 1},
		{"down", Sample{At: at(3), Down: true}, 1},
		{"no counters", Sample{At: at(4)}, 0},
		{"almost an hour idle", sample(hour+2, 2), 0},
		{"an hour idle", sample(hour+3, 2), 1},
		{"idle again", sample(hour+4, 2), 0},
		{"new epoch, nothing counted", with(sample(hour+5, 0), func(s *Sample) { s.Epoch = "b" }), 1},
		{"source is inexact", with(sample(hour+6, 0), func(s *Sample) { s.Epoch, s.Exact = "b", false }), 0},
	} {
		*writes = 0
		observe(t, l, volume, map[string]Sample{"p1": step.sample})
		if *writes != step.writes {
			t.Errorf("%s: %d writes, want %d", step.what, *writes, step.writes)
		}
	}
	want := l.Records(volume)
	if diff := cmp.Diff(want, open(t, l.dir).Records(volume), ignoreLastSample); diff != "" {
		t.Errorf("records read back (-want +got):\n%s", diff)
	}
}

var ignoreLastSample = cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".LastSample" }, cmp.Ignore())

func TestObserveRetriesAfterFailedWrite(t *testing.T) {
	l := open(t, t.TempDir())
	l.write = func(string, []byte, fs.FileMode) error { return syscall.ENOSPC }
	if err := l.Observe(muted(t), volume, map[string]Sample{"p1": sample(0, 1)}); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("error = %v, want %v", err, syscall.ENOSPC)
	}
	l.write = durable.WriteFile
	observe(t, l, volume, map[string]Sample{"p1": sample(1, 1)}) // unchanged, but owed
	if diff := cmp.Diff(l.Records(volume), open(t, l.dir).Records(volume)); diff != "" {
		t.Errorf("records read back (-want +got):\n%s", diff)
	}
}

func TestRecordsAreCopies(t *testing.T) {
	l := open(t, t.TempDir())
	observe(t, l, volume, map[string]Sample{"p1": sample(0, 1)})
	observe(t, l, volume, map[string]Sample{"p1": sample(1, 2)})
	got := l.Records(volume)
	got["p1"].Tallies[nvme.Failovers] = Tally{}
	got["p1"].Episodes[0] = time.Time{}
	again := l.Records(volume)["p1"]
	if again.Tallies[nvme.Failovers].Raw != 2 || !again.Episodes[0].Equal(at(1)) {
		t.Errorf("record = %+v, changed through a copy", again)
	}
}

// The methods may be called concurrently; the race detector looks on.
func TestConcurrentUse(t *testing.T) {
	l := open(t, t.TempDir())
	done := make(chan error)
	const workers, turns = 4, 10
	all := func(i int) map[string]Sample {
		samples := map[string]Sample{}
		for w := range workers {
			samples[fmt.Sprint("p", w)] = sample(i, uint64(i))
		}
		return samples
	}
	observe(t, l, volume, all(0)) // while a reset is pending, nothing new is counted
	for w := range workers {
		go func() {
			var err error
			for i := 1; i <= turns; i++ {
				samples := map[string]Sample{fmt.Sprint("p", w): sample(i, uint64(i))}
				err = errors.Join(err, l.Observe(muted(t), volume, samples), l.Observe(muted(t), controllers, samples))
				l.ControllerRecords(volume)
				if id, beginErr := l.BeginReset(muted(t), volume, ResetRequest{By: "x", Reason: "y", At: at(i)}); beginErr == nil {
					_, completeErr := l.CompleteReset(muted(t), volume, id, nil)
					err = errors.Join(err, completeErr)
				}
				l.Resets(volume)
			}
			done <- err
		}()
	}
	for range workers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	observe(t, l, volume, all(turns+1))
	records := l.Records(volume)
	for w := range workers {
		if got := records[fmt.Sprint("p", w)].Tallies[nvme.Failovers].Lifetime; got != turns+1 {
			t.Errorf("p%d: lifetime %d, want %d", w, got, turns+1)
		}
	}
}

func BenchmarkObserveUnchanged(b *testing.B) {
	l, err := Open(muted(b), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	samples := map[string]Sample{}
	for i := range 200 {
		samples[fmt.Sprint("tcp://192.0.2.1:", i)] = path(0, 1, 2, 3)
	}
	if err := l.Observe(muted(b), volume, samples); err != nil {
		b.Fatal(err)
	}
	writes := countWrites(l)
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Observe(muted(b), volume, samples); err != nil {
			b.Fatal(err)
		}
	}
	if *writes != 0 {
		b.Errorf("%d writes", *writes)
	}
}
