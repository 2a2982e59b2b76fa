package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/braid-csi/braid/pkg/attachment"
)

// refusedAgain is when an attachment that was refused is looked at again, if
// nothing has woken it before.
const refusedAgain = time.Minute

// refusal is why a volume cannot be attached as things are.
type refusal struct{ error }

func refuse(format string, args ...any) error { return refusal{fmt.Errorf(format, args...)} }

// attach marks the volume attached, or says why not.
func (a *Attacher) attach(ctx context.Context, va *storagev1.VolumeAttachment) (ctrl.Result, error) {
	if va.Status.Attached {
		return ctrl.Result{}, a.keep(ctx, va)
	}
	pv, err := a.attachable(ctx, va)
	if r := (refusal{}); errors.As(err, &r) {
		return ctrl.Result{RequeueAfter: refusedAgain}, a.setAttachError(ctx, va, r.Error())
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	if err := a.keep(ctx, va); err != nil {
		return ctrl.Result{}, err
	}
	if err := a.patchStatus(ctx, va, func(s *storagev1.VolumeAttachmentStatus) {
		s.Attached, s.AttachError = true, nil
		s.AttachmentMetadata = originOf(pv).Metadata()
	}); err != nil {
		return ctrl.Result{}, err
	}
	klog.FromContext(ctx).Info("Attached", "volume", pv.Name, "node", va.Spec.NodeName)
	return ctrl.Result{}, nil
}

// keep makes the attachment stay until it is released.
func (a *Attacher) keep(ctx context.Context, va *storagev1.VolumeAttachment) error {
	old := va.DeepCopy()
	if !controllerutil.AddFinalizer(va, Finalizer) {
		return nil
	}
	return a.Patch(ctx, va, unchanged(old))
}

// attachable returns the volume that may be attached; the error is a refusal
// if it may not.
func (a *Attacher) attachable(ctx context.Context, va *storagev1.VolumeAttachment) (*corev1.PersistentVolume, error) {
	name := volumeName(va)
	switch {
	case va.Spec.Source.InlineVolumeSpec != nil:
		return nil, refuse("inlineVolumeSpec is for drivers that replace a volume plugin of Kubernetes; %s needs a persistentVolumeName", attachment.Driver)
	case name == "":
		return nil, refuse("no persistentVolumeName is given")
	}
	pv, err := a.volume(ctx, name)
	switch {
	case apierrors.IsNotFound(err):
		return nil, refuse("PersistentVolume %s does not exist", name)
	case err != nil:
		return nil, err
	case !ours(pv):
		return nil, refuse("PersistentVolume %s is not a volume of %s", name, attachment.Driver)
	case pv.DeletionTimestamp != nil:
		return nil, refuse("PersistentVolume %s is being deleted", name)
	}
	namespace, err := namespaceOf(pv)
	if err != nil {
		return nil, refuse("PersistentVolume %s: %w", name, err)
	}
	others, err := a.holders(ctx, va, namespace)
	if err != nil {
		return nil, err
	}
	return pv, conflict(va.Spec.NodeName, shared(pv), others)
}

// volume reads the PersistentVolume. One that was made a moment ago may not be
// in the cache yet.
func (a *Attacher) volume(ctx context.Context, name string) (*corev1.PersistentVolume, error) {
	pv := new(corev1.PersistentVolume)
	err := a.Get(ctx, types.NamespacedName{Name: name}, pv)
	if apierrors.IsNotFound(err) {
		err = a.Live.Get(ctx, types.NamespacedName{Name: name}, pv)
	}
	return pv, err
}

// originOf says whose volume it is.
func originOf(pv *corev1.PersistentVolume) attachment.Origin {
	o := attachment.Origin{PersistentVolume: pv.Name}
	if c := pv.Spec.ClaimRef; c != nil {
		o.ClaimNamespace, o.ClaimName, o.ClaimUID = c.Namespace, c.Name, string(c.UID)
	}
	return o
}

func (a *Attacher) setAttachError(ctx context.Context, va *storagev1.VolumeAttachment, message string) error {
	if e := va.Status.AttachError; e != nil && e.Message == message {
		return nil
	}
	klog.FromContext(ctx).Info("Not attached", "volume", volumeName(va), "node", va.Spec.NodeName, "reason", message)
	return a.patchStatus(ctx, va, func(s *storagev1.VolumeAttachmentStatus) {
		s.AttachError = &storagev1.VolumeError{Time: metav1.NewTime(a.Now()), Message: message}
	})
}
