package controller

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/attachment"
)

// patience is how long a node may take to remove its path set before somebody
// is told.
const patience = 10 * time.Second

// Reasons of the events on the claim, or on the volume that has none.
const (
	// reasonWaiting: the volume is not detached, for the node may use it.
	reasonWaiting = "DetachWaiting"
	// reasonForced: the volume was detached although nobody has unstaged it.
	reasonForced = "DetachForced"
)

// detach releases the attachment if that is safe, or says what it waits for.
func (a *Attacher) detach(ctx context.Context, va *storagev1.VolumeAttachment) (ctrl.Result, error) {
	if !controllerutil.ContainsFinalizer(va, Finalizer) {
		return ctrl.Result{}, nil
	}
	e, err := a.evidence(ctx, va)
	if err != nil {
		return ctrl.Result{}, err
	}
	now := a.Now()
	d := decide(e, now)
	if d.release {
		return ctrl.Result{}, a.release(ctx, va, d.why)
	}
	if left := e.deleted.Add(patience).Sub(now); left > 0 {
		return ctrl.Result{RequeueAfter: left}, nil
	}
	var result ctrl.Result
	if !d.deadline.IsZero() {
		result.RequeueAfter = d.deadline.Sub(now)
	}
	return result, a.setDetachError(ctx, va, d.why)
}

// evidence reads what the decision needs, past the cache.
func (a *Attacher) evidence(ctx context.Context, va *storagev1.VolumeAttachment) (evidence, error) {
	e := evidence{node: va.Spec.NodeName, deleted: va.DeletionTimestamp.Time, timeout: a.ReleaseTimeout}
	var sets v1alpha1.NVMePathSetList
	if err := a.Live.List(ctx, &sets, client.MatchingFields{nodeField: e.node}); err != nil {
		return e, err
	}
	for _, ps := range sets.Items {
		if pathSetOf(va, &ps) {
			e.pathSet = ps.Name
		}
	}
	node := new(corev1.Node)
	err := a.Live.Get(ctx, types.NamespacedName{Name: e.node}, node)
	switch {
	case apierrors.IsNotFound(err):
		e.state = nodeGone
	case err != nil:
		return e, err
	case outOfService(node):
		e.state = nodeOutOfService
	}
	return e, nil
}

// release lets the attachment go. why tells on what authority, if the volume
// was not unstaged.
func (a *Attacher) release(ctx context.Context, va *storagev1.VolumeAttachment, why string) error {
	was := va.DeepCopy()
	if err := a.patchStatus(ctx, va, func(s *storagev1.VolumeAttachmentStatus) { *s = storagev1.VolumeAttachmentStatus{} }); err != nil {
		return client.IgnoreNotFound(err) // it is gone, and the cache does not know it yet
	}
	patch := unchanged(va.DeepCopy())
	controllerutil.RemoveFinalizer(va, Finalizer)
	if err := a.Patch(ctx, va, patch); err != nil {
		return err
	}
	logger := klog.FromContext(ctx).WithValues("volume", volumeName(va), "node", va.Spec.NodeName)
	if why == "" {
		logger.Info("Detached")
		return nil
	}
	logger.Info("Detached by force", "reason", why)
	a.tell(was, reasonForced, why)
	return nil
}

func (a *Attacher) setDetachError(ctx context.Context, va *storagev1.VolumeAttachment, message string) error {
	if e := va.Status.DetachError; e != nil && e.Message == message {
		return nil
	}
	klog.FromContext(ctx).Info("Not detached", "volume", volumeName(va), "node", va.Spec.NodeName, "reason", message)
	if err := a.patchStatus(ctx, va, func(s *storagev1.VolumeAttachmentStatus) {
		s.DetachError = &storagev1.VolumeError{Time: metav1.NewTime(a.Now()), Message: message}
	}); err != nil {
		return err
	}
	a.tell(va, reasonWaiting, message)
	return nil
}

// tell makes an event where its user looks: on the claim, or else on the
// volume.
func (a *Attacher) tell(va *storagev1.VolumeAttachment, reason, message string) {
	var about client.Object = &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: volumeName(va)}}
	if o, err := attachment.Parse(va.Status.AttachmentMetadata); err == nil && o.ClaimName != "" {
		about = &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{
			Namespace: o.ClaimNamespace, Name: o.ClaimName, UID: types.UID(o.ClaimUID),
		}}
	}
	a.Events.Eventf(about, va, corev1.EventTypeWarning, reason, "Detach", "Volume %s: %s", volumeName(va), message)
}
