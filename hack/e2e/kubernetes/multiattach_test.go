package kubernetes

import (
	"slices"
	"testing"

	storagev1 "k8s.io/api/storage/v1"

	"github.com/braid-csi/braid/hack/lab"
	"github.com/braid-csi/braid/pkg/attachment"
)

// otherNode is a node nobody is behind.
const otherNode = "node2"

// TestKubernetesMultiAttach has two nodes want one volume: the second gets it
// only when no trace of it is left on the first.
func TestKubernetesMultiAttach(t *testing.T) {
	s := newScene(t, alphaOn)
	s.start()
	s.attachedWithOrigin(lab.NodeName)

	second := s.pod + "-2"
	must(t, s.lab.AddNode(s.ctx, otherNode))
	t.Cleanup(func() { _ = s.lab.RemoveNode(s.ctx, otherNode, second) }) // mostly gone by then
	must(t, s.lab.Apply(s.ctx, lab.Pod{Name: second, Volume: s.volume, Node: otherNode}.Manifest()))
	ctx, cancel := s.waiting()
	defer cancel()
	events, err := s.lab.WaitEvent(ctx, "Pod", second, "FailedAttachVolume")
	must(t, err)
	if !lab.EventSays(events, "FailedAttachVolume", s.pod) {
		t.Errorf("the event does not name pod %s", s.pod)
	}
	s.attachedTo(lab.NodeName)
	s.goesOn()

	s.keep("after")
	s.unharmed()
	_, err = s.lab.Run(s.ctx, "kubectl", "delete", "pod", s.pod, "--wait=false")
	must(t, err)
	s.handsOver()
	s.attachedWithOrigin(otherNode)
	s.notedOn(otherNode)

	must(t, s.lab.RemoveNode(s.ctx, otherNode, second))
	_, err = s.lab.Run(s.ctx, "kubectl", "delete", "pvc/"+s.volume.Name, "pv/"+s.volume.Name)
	must(t, err)
	s.nothingLeft()
	must(t, s.rig.Close())
}

// handsOver watches the volume go from the first node to the second.
func (s *scene) handsOver() {
	s.t.Helper()
	s.until("the volume to be attached to "+otherNode, func() (bool, error) {
		nodes, err := s.lab.AttachedTo(s.ctx, s.volume.Name)
		if err != nil || !slices.Contains(nodes, otherNode) {
			return false, err
		}
		if len(nodes) > 1 {
			s.t.Errorf("the volume is attached to %q at once", nodes)
		}
		return true, nil
	})
	left, err := s.rig.LeftOver(s.ctx, lab.KubeletDir, lab.StateDir)
	must(s.t, err)
	if left != "" {
		s.t.Errorf("the volume is attached to %s, and this is left on %s:\n%s", otherNode, lab.NodeName, left)
	}
}

// notedOn waits until Kubernetes knows itself that the volume is attached: for
// what it learns after the Node is gone it waits six minutes before detaching.
func (s *scene) notedOn(node string) {
	s.t.Helper()
	s.until("Kubernetes to list the volume on "+node, func() (bool, error) {
		n, err := s.lab.KubernetesNode(s.ctx, node)
		return len(n.Status.VolumesAttached) > 0, err
	})
}

func (s *scene) attachedTo(want string) storagev1.VolumeAttachment {
	s.t.Helper()
	all, err := s.lab.Attachments(s.ctx, s.volume.Name)
	must(s.t, err)
	if len(all) != 1 || all[0].Spec.NodeName != want || !all[0].Status.Attached {
		s.t.Fatalf("attachments %+v, want one, of %s", all, want)
	}
	return all[0]
}

// attachedWithOrigin also wants the node to be told whose volume it is.
func (s *scene) attachedWithOrigin(node string) {
	s.t.Helper()
	a := s.attachedTo(node)
	origin, err := attachment.Parse(a.Status.AttachmentMetadata)
	must(s.t, err)
	if origin.PersistentVolume != s.volume.Name || origin.ClaimNamespace != lab.Namespace || origin.ClaimName != s.volume.Name || origin.ClaimUID == "" {
		s.t.Errorf("the attachment to %s says the volume is of %+v", node, origin)
	}
}
