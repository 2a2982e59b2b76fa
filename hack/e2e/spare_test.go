package e2e

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/rig"
)

// tidied is longer than braid-node takes to look for what nobody wants.
const tidied = 12 * time.Second

// TestUnstageSparesRawUser loses the record of a raw volume that a program has
// open, and then unstages the only other volume of the subsystem: nothing but
// the program says that the paths are still needed.
func TestUnstageSparesRawUser(t *testing.T) {
	s := newScene(t, rig.Namespace{SizeMB: 64}, rig.Namespace{SizeMB: 64})
	used, other := s.volume(0, ""), s.volume(1, "ext4")
	s.attach(used)
	before := s.reading(used)
	f, err := os.OpenFile(used.Target, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()

	must(t, s.node.Stop())
	must(t, os.RemoveAll(filepath.Join(s.stateDir, "volumes")))
	must(t, s.node.Start(s.ctx))
	s.attach(other)
	s.detach(other)
	over := time.After(tidied)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for block, waiting := int64(0), true; waiting; block++ { // never the same, which would be cached
		if _, err := f.ReadAt(make([]byte, 4096), block*4096); err != nil {
			t.Fatalf("the program that has the volume open reads: %v", err)
		}
		select {
		case <-tick.C:
		case <-over:
			waiting = false
		}
	}
	if after := s.reading(used); !reflect.DeepEqual(before.Ways, after.Ways) {
		t.Errorf("the paths of a volume in use changed:\nbefore %+v\nafter  %+v", before, after)
	}
	must(t, f.Close())
	s.detach(used)
	s.nothingLeft()
}
