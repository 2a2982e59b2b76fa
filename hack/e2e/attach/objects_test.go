package attach

import (
	"context"
	"crypto/sha256"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/driver"
)

const nqn = "nqn.2026-11.dev.braid.test:shelf1"

func create(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, o := range objects {
		must(t, bed.admin.Create(t.Context(), o))
	}
}

func remove(t *testing.T, o client.Object) {
	t.Helper()
	must(t, bed.admin.Delete(t.Context(), o, client.GracePeriodSeconds(0)))
}

func addNodes(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		must(t, bed.AddNode(t.Context(), name))
	}
}

// volume is a PersistentVolume; the number tells which namespace it is.
func volume(name string, number int) *corev1.PersistentVolume {
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeSpec{
			AccessModes:                   []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			ClaimRef:                      &corev1.ObjectReference{Namespace: "default", Name: name},
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{
				Driver: driver.Name, VolumeHandle: "handle/" + name,
				VolumeAttributes: map[string]string{
					"subsystemNQN": nqn, "namespaceUUID": namespaceUUID(number), "addresses": "192.0.2.1:4420",
				},
			}},
		},
	}
}

func namespaceUUID(number int) string { return fmt.Sprintf("0c7f3a52-0000-4000-8000-%012x", number) }

// claim is the one that the volume is reserved for.
func claim(name string) *corev1.PersistentVolumeClaim {
	class := ""
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, VolumeName: name, StorageClassName: &class,
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}
}

// pod is on the node already, and uses the claim.
func pod(name, claim, node string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: corev1.PodSpec{
			NodeName:   node,
			Containers: []corev1.Container{{Name: "c", Image: "none", VolumeMounts: []corev1.VolumeMount{{Name: "v", MountPath: "/v"}}}},
			Volumes: []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim},
			}}},
		},
	}
}

// attachment asks for the volume on the node without the attach/detach
// controller, but in its way.
func attachment(volume, node string) *storagev1.VolumeAttachment {
	return &storagev1.VolumeAttachment{
		ObjectMeta: metav1.ObjectMeta{Name: attachmentName(volume, node)},
		Spec: storagev1.VolumeAttachmentSpec{
			Attacher: driver.Name, NodeName: node, Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: &volume},
		},
	}
}

func attachmentName(volume, node string) string {
	return fmt.Sprintf("csi-%x", sha256.Sum256([]byte("handle/"+volume+driver.Name+node)))
}

// pathSet is what the node's agent makes before it mounts the volume.
func pathSet(volume, node string, number int) *v1alpha1.NVMePathSet {
	return &v1alpha1.NVMePathSet{
		ObjectMeta: metav1.ObjectMeta{Name: volume + "-on-" + node},
		Spec: v1alpha1.NVMePathSetSpec{
			NodeName: node, VolumeHandle: "handle/" + volume, SubsystemNQN: nqn,
			NamespaceID: v1alpha1.NamespaceID{Type: "uuid", Value: namespaceUUID(number)},
			Addresses:   []string{"tcp://192.0.2.1:4420"},
		},
	}
}

// look reads the attachment, nil if there is none.
func look(ctx context.Context, name string) (*storagev1.VolumeAttachment, error) {
	va := new(storagev1.VolumeAttachment)
	err := bed.admin.Get(ctx, types.NamespacedName{Name: name}, va)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return va, err
}

// await waits until the attachment is as wanted, and returns it.
func await(t *testing.T, what, name string, wanted func(*storagev1.VolumeAttachment) bool) (va *storagev1.VolumeAttachment) {
	t.Helper()
	eventually(t, what, func(ctx context.Context) (_ bool, err error) {
		va, err = look(ctx, name)
		return err == nil && wanted(va), err
	})
	return va
}

func attached(va *storagev1.VolumeAttachment) bool { return va != nil && va.Status.Attached }
func gone(va *storagev1.VolumeAttachment) bool     { return va == nil }
func refused(va *storagev1.VolumeAttachment) bool  { return va != nil && va.Status.AttachError != nil }
func held(va *storagev1.VolumeAttachment) bool     { return va != nil && va.Status.DetachError != nil }
