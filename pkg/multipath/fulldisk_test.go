package multipath

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

// TestReleaseWithoutRoom: that nothing can be written to the state directory
// keeps no volume on the node.
func TestReleaseWithoutRoom(t *testing.T) {
	node := newFakeNode(uuidA)
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		if _, err := l.Ensure(ctx, testVolume("v", uuidA, way1, way2)); err != nil {
			t.Fatal(err)
		}
		// The closest to a full disk that root cannot write to either.
		if err := os.RemoveAll(l.store.dir); err != nil {
			t.Fatal(err)
		}
		if err := l.Release(ctx, "v", ""); err != nil {
			t.Errorf("release: %v", err)
		}
		if diff := cmp.Diff([]string{}, node.connected()); diff != "" {
			t.Errorf("left behind (-want +got):\n%s", diff)
		}
	})
}

func TestResetWithoutCounters(t *testing.T) {
	node := newFakeNode(uuidA)
	node.source = nvme.SourceUnsupported
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		if _, err := l.Ensure(ctx, testVolume("v", uuidA, way1)); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Reset(ctx, "v", ledger.ResetRequest{By: "root", Reason: "cable replaced"}); !errors.Is(err, ErrUnsupported) {
			t.Errorf("reset where nothing counts: %v, want ErrUnsupported", err)
		}
	})
}
