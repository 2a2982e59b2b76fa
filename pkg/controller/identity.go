package controller

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/attachment"
	"github.com/braid-csi/braid/pkg/driver"
)

// volumeName is the name of the attachment's PersistentVolume, empty if it has
// none.
func volumeName(va *storagev1.VolumeAttachment) string {
	if n := va.Spec.Source.PersistentVolumeName; n != nil {
		return *n
	}
	return ""
}

// pathSetOf tells whether the path set is that of the attachment's volume on
// the attachment's node. The name of an attachment tells, and so does the
// PersistentVolume, for an attachment that somebody else has named.
func pathSetOf(va *storagev1.VolumeAttachment, ps *v1alpha1.NVMePathSet) bool {
	if ps.Spec.NodeName != va.Spec.NodeName {
		return false
	}
	pv := volumeName(va)
	return va.Name == attachment.Name(ps.Spec.VolumeHandle, ps.Spec.NodeName) || pv != "" && pv == ps.Spec.PersistentVolumeName
}

// namespaceKey identifies an NVMe namespace in the cluster.
func namespaceKey(subsystemNQN, idType, id string) string {
	return subsystemNQN + " " + idType + ":" + strings.ReplaceAll(strings.ToLower(id), "-", "")
}

// namespaceOf is the namespace that the PersistentVolume describes. The error
// names every attribute that no node would accept.
func namespaceOf(pv *corev1.PersistentVolume) (string, error) {
	v, err := driver.ParseVolumeContext(pv.Spec.CSI.VolumeAttributes)
	if err != nil {
		return "", err
	}
	return namespaceKey(string(v.SubsystemNQN), string(v.Namespace.Type), v.Namespace.Value), nil
}

// ours tells whether the PersistentVolume is one of this driver's.
func ours(pv *corev1.PersistentVolume) bool {
	return pv.Spec.CSI != nil && pv.Spec.CSI.Driver == attachment.Driver
}

// shared tells whether several nodes may use the volume at once.
func shared(pv *corev1.PersistentVolume) bool {
	return slices.Contains(pv.Spec.AccessModes, corev1.ReadWriteMany) || slices.Contains(pv.Spec.AccessModes, corev1.ReadOnlyMany)
}
