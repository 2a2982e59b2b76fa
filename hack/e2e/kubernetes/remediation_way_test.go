package kubernetes

import (
	"errors"
	"fmt"
	"testing"

	"github.com/braid-csi/braid/hack/check"
	"github.com/braid-csi/braid/hack/lab"
	"github.com/braid-csi/braid/hack/rig"
	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// byHand is a policy that does nothing, and waits for as short as may be for what
// people ask for to prove itself.
const byHand = `
apiVersion: braid.dev/v1alpha1
kind: NVMePathPolicy
metadata: {name: %[1]s}
spec:
  selector: {persistentVolumeNames: [%[1]s]}
  health: {clearAfter: 3s}
  remediation: {steps: [], stabilizationWindow: 10s}
`

// TestRemediationSharedFate has one of the host's two interfaces fail where
// routing knows another way: the path comes back through the one that is left. All
// paths are usable, and nothing is redundant. When the interface is back, what is
// connected stays where it is, until somebody asks for a reset.
func TestRemediationSharedFate(t *testing.T) {
	s := newScene(t, alphaOn)
	s.policy(byHand)
	set := s.start()
	fate := fmt.Sprintf("2 of 2 paths usable, all through %s", s.addr(0).Addr().Prev()) // the host's end
	shared := func(set v1alpha1.NVMePathSet) error {
		return errors.Join(usable(set, s.addr(0), true), usable(set, s.addr(1), true), lab.RedundancyLost(set),
			lab.ConditionSays(set, v1alpha1.ConditionRedundant, fate))
	}
	must(t, s.rig.Inject(s.ctx, 1, rig.Detour))
	s.waitSet("both paths to be usable, and to share what they leave by", shared)
	s.describes(set, fate)
	s.event("NVMePathSet", set.Name, lost)
	must(t, s.rig.Clear(s.ctx, 1, rig.Detour))
	s.goesOn()
	before := s.reading()
	set = s.waitSet("it to stay so", shared)

	second, err := check.PathTo(set, s.addr(1))
	must(t, err)
	s.asks(set, "the-wrong-one", s.first(set).Address, "ResetController")
	s.came("the-wrong-one", "False/AlreadyFine, ResetController Refused/AlreadyFine")
	s.asks(set, "back-to-its-way", second.Address, "ResetController")
	s.came("back-to-its-way", lab.Done(v1alpha1.ActionResetController))
	s.notReset(before, 0)
	s.healthyAgain()
	s.goesOn()
	s.endRemediated()
}

// TestRemediationDNROnReconnect has the target refuse a reconnect for good (DNR).
// The kernel gives the controller up, though it was told never to (ctrl_loss_tmo is
// -1). The path set says so, and the path is connected anew once the target lets
// it, without a policy.
func TestRemediationDNROnReconnect(t *testing.T) {
	s := newScene(t, alphaOn)
	s.start()
	before := s.reading().Ways[s.addr(0)].Controller
	must(t, s.rig.Inject(s.ctx, 0, rig.Refused))
	var refusal string
	set := s.waitSet("the path to have no controller, and to say why", func(set v1alpha1.NVMePathSet) error {
		p, err := check.PathTo(set, s.addr(0))
		if refusal = p.ConnectError; err == nil && (p.Controller != "" || p.ControllerState != "" || refusal == "") {
			err = fmt.Errorf("it is %s %s, with the error %q", p.Controller, p.ControllerState, refusal)
		}
		return errors.Join(err, lab.RedundancyLost(set))
	})
	t.Logf("%s is gone: %s", before, refusal)
	if way, there := s.reading().Ways[s.addr(0)]; there {
		t.Errorf("for the kernel there is %s, %s", way.Controller, way.State)
	}
	s.describes(set, refusal)
	s.events(set, lost)
	s.goesOn()
	must(t, s.rig.Clear(s.ctx, 0, rig.Refused))
	set = s.healthyAgain()
	t.Logf("connected anew as %s", s.first(set).Controller)
	s.goesOn()
	s.remediated(set, 0)
	s.end()
}
