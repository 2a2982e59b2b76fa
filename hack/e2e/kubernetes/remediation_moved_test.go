package kubernetes

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/hack/lab"
	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// TestRemediationAddressMoved has the target leave an address for another one
// while a pod writes. Nothing is done to the PersistentVolume or the pod: the path
// set and its events tell that the path leads elsewhere, and redundancy is back.
func TestRemediationAddressMoved(t *testing.T) {
	s := newScene(t, alphaOn)
	s.volume.Discovery = s.rig.Addrs()
	s.start()
	from := s.addr(0)
	must(t, s.rig.Move(s.ctx, 0))
	s.goesOn()
	s.waitSet("the path to be lost", lab.RedundancyLost)
	s.keep("lost")
	set := s.waitSet("the path to lead elsewhere", func(set v1alpha1.NVMePathSet) error {
		want := []string{"tcp://" + s.addr(1).String(), "tcp://" + s.addr(0).String()}
		if !slices.Equal(set.Spec.Addresses, want) {
			return fmt.Errorf("its addresses are %s, want %s", set.Spec.Addresses, want)
		}
		p, err := check.PathTo(set, s.addr(0))
		if err == nil && p.LearnedFrom != want[0] {
			err = fmt.Errorf("the path is learned from %q, want %s", p.LearnedFrom, want[0])
		}
		return errors.Join(err, lab.Healthy(set))
	})
	s.events(set, "AddressMoved")
	s.goesOn()
	s.until("the old controller to go", func() (bool, error) {
		_, there := s.reading().Ways[from]
		return !there, nil
	})
	s.healthyAgain()
	s.end()
}
