package multipath

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestSources: from where a path left at first is known for as long as the
// volume is staged, whatever it does later, and by the next run too.
func TestSources(t *testing.T) {
	node := newFakeNode(uuidA)
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		if _, err := l.Ensure(ctx, testVolume("v", uuidA, way1, way2)); err != nil {
			t.Fatal(err)
		}
		sleep(time.Second) // staging waits for one path only
		for _, step := range []struct {
			name        string
			now         [2]string
			first, seen [2]string
		}{
			{"one path is live", [2]string{"192.0.2.9", ""}, [2]string{"192.0.2.9", ""}, [2]string{"192.0.2.9", ""}},
			{"the other one too", [2]string{"192.0.2.9", "192.0.2.10"}, [2]string{"192.0.2.9", "192.0.2.10"}, [2]string{"192.0.2.9", "192.0.2.10"}},
			{"it comes back another way", [2]string{"192.0.2.9", "192.0.2.9"}, [2]string{"192.0.2.9", "192.0.2.10"}, [2]string{"192.0.2.9", "192.0.2.9"}},
		} {
			node.leaveFrom(step.now)
			if err := l.look(ctx); err != nil {
				t.Fatal(err)
			}
			var first, seen [2]string
			for i, p := range l.Snapshot().PathSet("v").Paths {
				first[i], seen[i] = p.FirstSrcAddr, p.SrcAddr
			}
			if diff := cmp.Diff([2][2]string{step.first, step.seen}, [2][2]string{first, seen}); diff != "" {
				t.Errorf("%s: first and now (-want +got):\n%s", step.name, diff)
			}
		}
		stored, err := l.store.load(ctx)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{way1.String(): "192.0.2.9", way2.String(): "192.0.2.10"}
		if diff := cmp.Diff(want, stored["v"].sources); diff != "" {
			t.Errorf("on record (-want +got):\n%s", diff)
		}
		if stored["v"].Head.Epoch == "" {
			t.Error("the record forgot the device")
		}
		if err := l.Release(ctx, "v", ""); err != nil {
			t.Fatal(err)
		}
		if n := records(t, l); n != 0 {
			t.Errorf("%d records after the release", n)
		}
	})
}

// leaveFrom says from where the two ways leave.
func (f *fakeNode) leaveFrom(sources [2]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.present {
		switch f.present[i].Address {
		case way1:
			f.present[i].SrcAddr = sources[0]
		case way2:
			f.present[i].SrcAddr = sources[1]
		}
	}
}
