package kubernetes

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/braid-csi/braid/hack/lab"
)

// TestKubernetesNodeDeleted has a node go in the two ways in which Kubernetes
// gives up on one: declared out of service, and deleted. Its volumes are
// released then, and never before. When the node is back it cleans up.
func TestKubernetesNodeDeleted(t *testing.T) {
	s := newScene(t, alphaOn)
	s.start()
	s.keep("after")
	s.unharmed()
	s.outOfService()

	must(t, s.lab.Apply(s.ctx, lab.Pod{Name: s.pod, Volume: s.volume}.Manifest()))
	must(t, s.lab.WaitPodReady(s.ctx, s.pod, patience))
	s.waitSet("both paths to be usable", lab.Healthy)
	s.deleted()

	_, err := s.lab.Run(s.ctx, "kubectl", "delete", "pvc/"+s.volume.Name, "pv/"+s.volume.Name)
	must(t, err)
	must(t, s.rig.Close())
}

// outOfService stops the kubelet, so that the volume stays on the node, and
// declares the node out of service.
func (s *scene) outOfService() {
	s.t.Helper()
	s.signalKubelet("STOP")
	s.t.Cleanup(func() { _, _ = s.lab.Node.Run(s.ctx, "pkill", "-CONT", "-x", "kubelet") })
	s.until("the node not to be ready", func() (bool, error) { ready, err := s.nodeReady(); return !ready, err })
	s.deleteAttachment()
	ctx, cancel := s.waiting()
	defer cancel()
	_, err := s.lab.WaitEvent(ctx, "PersistentVolumeClaim", s.volume.Name, "DetachWaiting")
	must(s.t, err)
	s.attachedTo(lab.NodeName) // a node that is silent may still write

	_, err = s.lab.Run(s.ctx, "kubectl", "delete", "pod", s.pod, "--wait=false")
	must(s.t, err)
	const taint = corev1.TaintNodeOutOfService + "=nodeshutdown:NoExecute"
	_, err = s.lab.Run(s.ctx, "kubectl", "taint", "node", lab.NodeName, taint)
	must(s.t, err)
	s.detached()
	_, err = s.lab.PathSet(s.ctx, s.volume.Name)
	must(s.t, err) // still: nobody unstaged the volume
	_, err = s.lab.WaitEvent(ctx, "PersistentVolumeClaim", s.volume.Name, "DetachForced")
	must(s.t, err)

	s.signalKubelet("CONT")
	_, err = s.lab.Run(s.ctx, "kubectl", "taint", "node", lab.NodeName, taint+"-")
	must(s.t, err)
	s.until("the node to be ready", s.nodeReady)
	s.nothingLeft()
}

// deleted deletes the Node while the volume is mounted there.
func (s *scene) deleted() {
	s.t.Helper()
	stop, err := s.lab.StartController(s.ctx)
	must(s.t, err)
	defer stop()
	pod, err := s.lab.NodePod(s.ctx)
	must(s.t, err)
	_, err = s.lab.Run(s.ctx, "kubectl", "delete", "node", lab.NodeName)
	must(s.t, err)
	ctx, cancel := s.waiting()
	defer cancel()
	must(s.t, s.lab.WaitNoPathSet(ctx, s.volume.Name))
	s.deleteAttachment()
	s.detached()
	// The pods go after a minute. Before that the node could come back and find
	// everything as it was.
	s.until("the pod to be given up", func() (bool, error) {
		pods, err := s.lab.Pods(s.ctx, lab.Namespace)
		return len(pods) == 0, err
	})

	// A kubelet makes its Node when it starts.
	s.signalKubelet("TERM")
	s.until("the node to be back", s.nodeReady)
	back, cancel := s.waiting()
	defer cancel()
	_, err = s.lab.WaitNodeReady(back, pod)
	must(s.t, err)
	s.nothingLeft()
}

// deleteAttachment wants the volume back from the node, as Kubernetes does by
// itself after six minutes.
func (s *scene) deleteAttachment() {
	s.t.Helper()
	_, err := s.lab.Run(s.ctx, "kubectl", "delete", "volumeattachment", s.attachedTo(lab.NodeName).Name, "--wait=false")
	must(s.t, err)
}

func (s *scene) detached() {
	s.t.Helper()
	ctx, cancel := s.waiting()
	defer cancel()
	must(s.t, s.lab.WaitDetached(ctx, s.volume.Name))
}

func (s *scene) signalKubelet(signal string) {
	s.t.Helper()
	_, err := s.lab.Node.Run(s.ctx, "pkill", "-"+signal, "-x", "kubelet")
	must(s.t, err)
}

// nodeReady tells whether the API has the node, and calls it ready.
func (s *scene) nodeReady() (bool, error) {
	n, err := s.lab.KubernetesNode(s.ctx, lab.NodeName)
	if errors.Is(err, lab.ErrNoNode) {
		return false, nil
	}
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue, err
		}
	}
	return false, err
}
