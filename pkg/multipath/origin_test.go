package multipath

import (
	"context"
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/attachment"
)

// TestOrigin: whose volume it is shows in the snapshot, survives a restart,
// and is no reason to refuse a second staging.
func TestOrigin(t *testing.T) {
	orders := attachment.Origin{PersistentVolume: "pv-1", ClaimNamespace: "shop", ClaimName: "orders", ClaimUID: "u-1"}
	bound := attachment.Origin{PersistentVolume: "pv-1", ClaimNamespace: "shop", ClaimName: "ledger", ClaimUID: "u-2"}
	node := newFakeNode(uuidA)
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		for _, step := range []struct {
			name        string
			given, want attachment.Origin
		}{
			{"told at the first staging", orders, orders},
			{"nothing said: what was known stays", attachment.Origin{}, orders},
			{"told anew", bound, bound},
		} {
			v := testVolume("v", uuidA, way1)
			v.Origin = step.given
			if _, err := l.Ensure(ctx, v); err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			stored, err := l.store.load(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for where, got := range map[string]attachment.Origin{"snapshot": l.Snapshot().PathSet("v").Origin, "record": stored["v"].Origin} {
				if diff := cmp.Diff(step.want, got); diff != "" {
					t.Errorf("%s: %s (-want +got):\n%s", step.name, where, diff)
				}
			}
			if stored["v"].Head.Epoch == "" {
				t.Errorf("%s: the record forgot the device", step.name)
			}
		}
	})
}

// TestRecordWithoutOrigin: what an earlier version wrote can be read.
func TestRecordWithoutOrigin(t *testing.T) {
	node := newFakeNode(uuidA)
	withLayer(t, node, func(t *testing.T, ctx context.Context, l *Layer) {
		if _, err := l.Ensure(ctx, testVolume("v", uuidA, way1)); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(l.store.path("v"))
		if err != nil {
			t.Fatal(err)
		}
		var r struct{ Volume map[string]any }
		if err := json.Unmarshal(b, &r); err != nil {
			t.Fatal(err)
		}
		if _, ok := r.Volume["origin"]; ok {
			t.Errorf("an empty origin is written: %s", b)
		}
		stored, err := l.store.load(ctx)
		if err != nil || stored["v"] == nil || stored["v"].Origin != (attachment.Origin{}) {
			t.Errorf("load: %v, %v", stored, err)
		}
	})
}
