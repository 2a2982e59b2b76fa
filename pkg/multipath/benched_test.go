package multipath

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
)

// TestBench: a benched path goes, stays away for its time, and comes back; at once
// if nothing else leads to the volume.
func TestBench(t *testing.T) {
	const rest = 5 * time.Minute
	node := newFakeNode(uuidA)
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		node.staged(ctx, t, l)
		wants := func(when string, usable int, benched bool) {
			t.Helper()
			sleep(2 * time.Second)
			set := l.Snapshot().PathSet("a")
			if set.Usable() != usable || set.Paths[0].BenchedUntil.IsZero() == benched {
				t.Errorf("%s: %d paths usable, benched until %s; want %d, %t", when, set.Usable(), set.Paths[0].BenchedUntil, usable, benched)
			}
		}
		if err := l.Bench(ctx, "a", way1.String(), rest, permitted); err != nil {
			t.Fatal(err)
		}
		wants("benched", 1, true)
		if err := l.Bench(ctx, "a", way1.String(), rest, permitted); !errors.Is(err, ErrNotStaged) {
			t.Errorf("benched again: %v", err)
		}
		sleep(rest)
		wants("the time is over", 2, false)

		if err := l.Bench(ctx, "a", way1.String(), rest, permitted); err != nil {
			t.Fatal(err)
		}
		wants("benched once more", 1, true)
		node.setState(way2, nvme.StateConnecting)
		wants("the other one is lost", 1, true)
	})
}
