package controller

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/attachment"
)

// holder is an attachment by which a node may use a namespace.
type holder struct {
	attachment, node, volume string
	shared                   bool // several nodes may use the volume
}

// conflict refuses what would make two nodes use one namespace, unless both
// volumes are meant for several nodes.
func conflict(node string, shared bool, others []holder) error {
	for _, h := range others {
		if h.node != node && (!h.shared || !shared) {
			return refuse("the volume's namespace is attached to node %s, as PersistentVolume %s (VolumeAttachment %s)", h.node, h.volume, h.attachment)
		}
	}
	return nil
}

// holders are the attachments to other nodes by which the namespace may be in
// use. A volume whose PersistentVolume is gone is known by the node's path set.
func (a *Attacher) holders(ctx context.Context, va *storagev1.VolumeAttachment, namespace string) ([]holder, error) {
	var pvs corev1.PersistentVolumeList
	if err := a.List(ctx, &pvs, client.MatchingFields{namespaceIndex: namespace}); err != nil {
		return nil, err
	}
	var held []holder
	for _, pv := range pvs.Items {
		var attachments storagev1.VolumeAttachmentList
		if err := a.List(ctx, &attachments, client.MatchingFields{volumeIndex: pv.Name}); err != nil {
			return nil, err
		}
		for _, other := range attachments.Items {
			if holds(&other, va.Spec.NodeName) {
				held = append(held, holder{other.Name, other.Spec.NodeName, pv.Name, shared(&pv)})
			}
		}
	}
	var sets v1alpha1.NVMePathSetList
	if err := a.List(ctx, &sets, client.MatchingFields{namespaceIndex: namespace}); err != nil {
		return nil, err
	}
	for _, ps := range sets.Items {
		other := new(storagev1.VolumeAttachment)
		err := a.Get(ctx, types.NamespacedName{Name: attachment.Name(ps.Spec.VolumeHandle, ps.Spec.NodeName)}, other)
		if client.IgnoreNotFound(err) != nil {
			return nil, err
		}
		known := slices.ContainsFunc(held, func(h holder) bool { return h.attachment == other.Name })
		if err == nil && !known && holds(other, va.Spec.NodeName) {
			held = append(held, holder{other.Name, other.Spec.NodeName, volumeName(other), false})
		}
	}
	return held, nil
}

// holds tells whether a node other than this one may use a volume by the
// attachment. A path set alone holds nothing: it stays behind when a node that
// is out of service had to give the volume up.
func holds(va *storagev1.VolumeAttachment, node string) bool {
	return va.Spec.NodeName != node && (va.Status.Attached || controllerutil.ContainsFinalizer(va, Finalizer))
}
