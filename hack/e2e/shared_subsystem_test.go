package e2e

import (
	"reflect"
	"testing"

	"github.com/braid-csi/braid/hack/rig"
)

// TestAttachSharedSubsystem has two volumes share the controllers of one
// subsystem. One leaves while the other is busy, and the other must not notice.
func TestAttachSharedSubsystem(t *testing.T) {
	s := newScene(t, rig.Namespace{SizeMB: 64}, rig.Namespace{SizeMB: 64})
	stays, leaves := s.volume(0, "ext4"), s.volume(1, "ext4")
	s.attach(stays)
	s.attach(leaves)
	w := s.write(stays)
	before := s.reading(stays)

	s.detach(leaves)
	s.goesOn(w)
	if after := s.reading(stays); !reflect.DeepEqual(before, after) {
		t.Errorf("unstaging another volume changed the paths of this one:\nbefore %+v\nafter  %+v", before, after)
	}
	report, err := s.node.Report(s.ctx)
	must(t, err)
	if len(report.Volumes) != 1 || report.Volumes[0].Usable != 2 {
		t.Errorf("braid-node reports %+v, want one volume with 2 usable paths", report.Volumes)
	}
	s.settled(stays)
	s.unharmed(w)

	s.attach(leaves)
	s.detach(stays)
	s.waitUsable(leaves, 2)
	s.detach(leaves)
	s.ledgerLeft()
}
