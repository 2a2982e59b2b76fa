package e2e

import (
	"cmp"
	"testing"

	"github.com/braid-csi/braid/hack/load"
	"github.com/braid-csi/braid/hack/rig"
)

// TestExpand has a namespace grow while its volume is written to.
func TestExpand(t *testing.T) {
	const before, after = 400, 800 // MiB
	for _, fsType := range []string{"ext4", "xfs", ""} {
		t.Run(cmp.Or(fsType, "raw"), func(t *testing.T) {
			s := newScene(t, rig.Namespace{SizeMB: before, Growable: true})
			v := s.volume(0, fsType)
			s.attach(v)
			size, err := s.node.Expand(s.ctx, v, before*mib)
			must(t, err)
			if size != before*mib {
				t.Errorf("before it grew: %d MiB, want %d", size/mib, before)
			}
			var w *load.Writer
			if fsType != "" {
				w = s.write(v)
			}
			usage, err := s.node.Stats(s.ctx, v)
			must(t, err)
			was := usage.GetTotal()

			must(t, s.rig.Grow(0, after))
			for range 2 {
				size, err = s.node.Expand(s.ctx, v, after*mib)
				must(t, err)
				if size != after*mib {
					t.Errorf("NodeExpandVolume: %d MiB, want %d", size/mib, after)
				}
			}
			usage, err = s.node.Stats(s.ctx, v)
			must(t, err)
			is := usage.GetTotal()
			if fsType != "" && is != capacity(t, v.Target) {
				t.Errorf("NodeGetVolumeStats: %d bytes, statfs %d", is, capacity(t, v.Target))
			}
			t.Logf("%d MiB, then %d MiB", was/mib, is/mib)
			if is < was+(after-before)*mib*3/4 {
				t.Errorf("the volume has %d MiB after growing from %d by %d", is/mib, was/mib, after-before)
			}
			if w != nil {
				s.goesOn(w)
				s.unharmed(w)
			}
			s.detach(v)
			s.ledgerLeft()
		})
	}
}
