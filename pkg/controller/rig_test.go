package controller

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/attachment"
)

const (
	nqn  = "nqn.2026-11.dev.braid:shelf1"
	uuid = "0c7f3a52-0000-4000-8000-000000000001"
)

// rig is an attacher with a cluster in memory.
type rig struct {
	*Attacher
	t      *testing.T
	events []string
	later  time.Duration
	// fail may make a call fail, by verb and object: "list *v1alpha1.NVMePathSetList".
	fail func(call string) error
	// writes are the patches so far, of objects and of their status.
	writes int
}

func newRig(t *testing.T, objects ...client.Object) *rig {
	t.Helper()
	r := &rig{t: t}
	c := r.cluster(objects...)
	r.Attacher = &Attacher{Client: c, Live: c, Events: r, Now: func() time.Time { return time.Now().Add(r.later) }}
	return r
}

// cluster is one that has the objects.
func (r *rig) cluster(objects ...client.Object) client.Client {
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), storagev1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		r.t.Fatal(err)
	}
	b := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithStatusSubresource(&storagev1.VolumeAttachment{}).
		WithInterceptorFuncs(interceptor.Funcs{
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
				return r.call("get", obj, func() error { return c.Get(ctx, key, obj, opts...) })
			},
			List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
				return r.call("list", list, func() error { return c.List(ctx, list, opts...) })
			},
			Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, p client.Patch, opts ...client.PatchOption) error {
				return r.call("patch", obj, func() error { return c.Patch(ctx, obj, p, opts...) })
			},
			SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
				return r.call("patch "+sub, obj, func() error { return c.SubResource(sub).Patch(ctx, obj, p, opts...) })
			},
		}).
		WithIndex(&v1alpha1.NVMePathSet{}, nodeField, func(o client.Object) []string {
			return []string{o.(*v1alpha1.NVMePathSet).Spec.NodeName}
		})
	for _, i := range indexes {
		b = b.WithIndex(i.object, i.name, i.value)
	}
	return b.Build()
}

func (r *rig) call(verb string, obj any, do func() error) error {
	call := fmt.Sprintf("%s %T", verb, obj)
	if r.fail != nil {
		if err := r.fail(call); err != nil {
			return err
		}
	}
	err := do()
	if verb != "get" && verb != "list" && err == nil {
		r.writes++
	}
	return err
}

// Eventf keeps events.
func (r *rig) Eventf(about, _ runtime.Object, _, reason, _, note string, args ...any) {
	o := about.(client.Object)
	r.events = append(r.events, fmt.Sprintf("%s %s on %T %s/%s", reason, fmt.Sprintf(note, args...), o, o.GetNamespace(), o.GetName()))
}

// reconcile reconciles the attachment of the volume to the node.
func (r *rig) reconcile(name string) ctrl.Result {
	r.t.Helper()
	result, err := r.Reconcile(r.t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Name: name}})
	if err != nil {
		r.t.Fatalf("Reconcile(%s): %v", name, err)
	}
	return result
}

// attachment reads the attachment, nil if it is gone.
func (r *rig) attachment(name string) *storagev1.VolumeAttachment {
	r.t.Helper()
	va := new(storagev1.VolumeAttachment)
	err := r.Get(r.t.Context(), types.NamespacedName{Name: name}, va)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return va
}

func (r *rig) create(o client.Object) {
	r.t.Helper()
	if err := r.Create(r.t.Context(), o); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) delete(o client.Object) {
	r.t.Helper()
	if err := r.Delete(r.t.Context(), o); err != nil {
		r.t.Fatal(err)
	}
}

// volume is a PersistentVolume with a claim of its own.
func volume(name, namespaceUUID string, modes ...corev1.PersistentVolumeAccessMode) *corev1.PersistentVolume {
	if modes == nil {
		modes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	}
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeSpec{
			AccessModes: modes,
			ClaimRef:    &corev1.ObjectReference{Namespace: "shop", Name: name + "-claim", UID: "uid-1"},
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{
				Driver: attachment.Driver, VolumeHandle: "handle-" + name,
				VolumeAttributes: map[string]string{"subsystemNQN": nqn, "namespaceUUID": namespaceUUID, "addresses": "192.0.2.1:4420"},
			}},
		},
	}
}

// attaching asks for the volume on the node, as the attach/detach controller
// does.
func attaching(pv, node string) *storagev1.VolumeAttachment {
	return &storagev1.VolumeAttachment{
		ObjectMeta: metav1.ObjectMeta{Name: nameOf(pv, node)},
		Spec: storagev1.VolumeAttachmentSpec{
			Attacher: attachment.Driver, NodeName: node, Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: &pv},
		},
	}
}

func nameOf(pv, node string) string { return attachment.Name("handle-"+pv, node) }

// staged is the node's path set for the volume.
func staged(pv, node string) *v1alpha1.NVMePathSet {
	return &v1alpha1.NVMePathSet{
		ObjectMeta: metav1.ObjectMeta{Name: pv + "-on-" + node},
		Spec: v1alpha1.NVMePathSetSpec{
			NodeName: node, VolumeHandle: "handle-" + pv, PersistentVolumeName: pv, SubsystemNQN: nqn,
			NamespaceID: v1alpha1.NamespaceID{Type: "uuid", Value: uuid},
		},
	}
}

func node(name string, taints ...string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	for _, t := range taints {
		n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: t, Effect: corev1.TaintEffectNoExecute})
	}
	return n
}
