package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"

	"github.com/braid-csi/braid/hack/rig/remote"
)

// ServerVersion is the API server's, as /version says it.
func (l *Lab) ServerVersion(ctx context.Context) (string, error) {
	c, err := l.Run(ctx, "kubectl", "get", "--raw=/version")
	if err != nil {
		return "", err
	}
	var v struct{ GitVersion string }
	err = json.Unmarshal([]byte(c.Output), &v)
	return v.GitVersion, err
}

// NodeKernel is the release of the node's kernel.
func (l *Lab) NodeKernel(ctx context.Context) (string, error) {
	out, err := l.Node.Run(ctx, "uname", "-r")
	return strings.TrimSpace(out), err
}

// WaitRegistered waits until the node's kubelet knows Braid as a CSI driver.
func (l *Lab) WaitRegistered(ctx context.Context) error {
	return until(ctx, "kubelet to know "+Driver, func() (bool, error) {
		var n storagev1.CSINode
		if err := l.get(ctx, &n, "csinode", NodeName); err != nil {
			return false, err
		}
		return slices.ContainsFunc(n.Spec.Drivers, func(d storagev1.CSINodeDriver) bool { return d.Name == Driver }), nil
	})
}

// Pods are those of a namespace; more are kubectl's flags to choose among them.
func (l *Lab) Pods(ctx context.Context, namespace string, more ...string) ([]corev1.Pod, error) {
	var list corev1.PodList
	err := l.get(ctx, &list, append([]string{"pods", "--namespace=" + namespace}, more...)...)
	return list.Items, err
}

// WaitPodReady waits until a pod is ready.
func (l *Lab) WaitPodReady(ctx context.Context, pod string, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var p corev1.Pod
	err := until(ctx, "pod "+pod+" to be ready", func() (_ bool, err error) {
		err = l.get(ctx, &p, "pod", pod)
		return PodReady(p), err
	})
	if err == nil {
		return nil
	}
	// The end of ctx must not keep the reason from being told.
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	events, eventsErr := l.Events(asking, "Pod", pod)
	return errors.Join(fmt.Errorf("%w\nit is %s, its events:\n  %s", err, p.Status.Phase, sketchEvents(events)), eventsErr)
}

// PodReady tells whether a pod says it is.
func PodReady(p corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// Attachments are the VolumeAttachments of a volume.
func (l *Lab) Attachments(ctx context.Context, volume string) ([]storagev1.VolumeAttachment, error) {
	var list storagev1.VolumeAttachmentList
	if err := l.get(ctx, &list, "volumeattachments"); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list.Items, func(a storagev1.VolumeAttachment) bool {
		name := a.Spec.Source.PersistentVolumeName
		return name == nil || *name != volume
	}), nil
}

// AttachedTo are the nodes a volume is attached to.
func (l *Lab) AttachedTo(ctx context.Context, volume string) ([]string, error) {
	all, err := l.Attachments(ctx, volume)
	var nodes []string
	for _, a := range all {
		if a.Status.Attached {
			nodes = append(nodes, a.Spec.NodeName)
		}
	}
	return nodes, err
}

// WaitDetached waits until no VolumeAttachment of a volume is left.
func (l *Lab) WaitDetached(ctx context.Context, volume string) error {
	var left []storagev1.VolumeAttachment
	err := until(ctx, "volume "+volume+" to be detached", func() (_ bool, err error) {
		left, err = l.Attachments(ctx, volume)
		return len(left) == 0, err
	})
	for _, a := range left {
		err = fmt.Errorf("%w\n%s of node %s is left: being deleted: %t, finalizers %q", err, a.Name, a.Spec.NodeName, a.DeletionTimestamp != nil, a.Finalizers)
	}
	return err
}

// WaitNoPathSet waits until a volume has no path set on the lab's node.
func (l *Lab) WaitNoPathSet(ctx context.Context, volume string) error {
	return until(ctx, "the path set of "+volume+" to go", func() (bool, error) {
		_, err := l.PathSet(ctx, volume)
		if errors.Is(err, ErrNoPathSet) {
			return true, nil
		}
		return false, err
	})
}

// WaitNodeEmpty waits until no trace of any volume is left on the node.
func (l *Lab) WaitNodeEmpty(ctx context.Context, r *remote.Rig) error {
	var left string
	err := until(ctx, "the node to be clean", func() (_ bool, err error) {
		left, err = r.LeftOver(ctx, KubeletDir, StateDir)
		return left == "", err
	})
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, left)
	}
	return err
}

// Ledger are the files of the ledger on the node.
func (l *Lab) Ledger(ctx context.Context) ([]string, error) {
	out, err := l.Node.Run(ctx, "find", filepath.Join(StateDir, "ledger"), "-name", "*.json")
	return strings.Fields(out), err
}

// RemoveNode removes a node that was added, and a pod that was bound to it:
// nobody is there to end it.
func (l *Lab) RemoveNode(ctx context.Context, node, pod string) error {
	_, err := l.Run(ctx, "kubectl", "delete", "pod", pod, "--force", "--grace-period=0", "--ignore-not-found")
	_, nodeErr := l.Run(ctx, "kubectl", "delete", "node", node, "--ignore-not-found")
	return errors.Join(err, nodeErr)
}

// ErrNoNode is for a node that the API does not have.
var ErrNoNode = errors.New("no such node")

// KubernetesNode is what the API has of a node.
func (l *Lab) KubernetesNode(ctx context.Context, name string) (corev1.Node, error) {
	var list corev1.NodeList
	err := l.get(ctx, &list, "nodes", "--field-selector=metadata.name="+name)
	if err == nil && len(list.Items) == 0 {
		err = fmt.Errorf("%s: %w", name, ErrNoNode)
	}
	if err != nil {
		return corev1.Node{}, err
	}
	return list.Items[0], nil
}
