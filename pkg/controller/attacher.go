package controller

import (
	"context"
	"time"

	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/braid-csi/braid/pkg/attachment"
)

// Finalizer keeps a VolumeAttachment until its node has let go of the volume.
const Finalizer = "braid.dev/attached"

// events records events of the cluster.
type events interface {
	Eventf(regarding, related runtime.Object, eventtype, reason, action, note string, args ...any)
}

// Attacher reconciles the VolumeAttachments of this driver.
type Attacher struct {
	// Client reads from the cache, and waits until the cache has what it wrote.
	client.Client
	// Live reads from the API server.
	Live   client.Reader
	Events events
	// ReleaseTimeout is after what time an attachment is released although its
	// node may use the volume. 0 is never; anything else risks two writers.
	ReleaseTimeout time.Duration
	Now            func() time.Time
}

// Reconcile brings one VolumeAttachment on its way.
func (a *Attacher) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	va := new(storagev1.VolumeAttachment)
	if err := a.Get(ctx, req.NamespacedName, va); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if va.Spec.Attacher != attachment.Driver {
		return ctrl.Result{}, nil
	}
	step := a.attach
	if va.DeletionTimestamp != nil {
		step = a.detach
	}
	result, err := step(ctx, va)
	if err != nil {
		return ctrl.Result{}, err // with back-off
	}
	return result, nil
}

func (a *Attacher) patchStatus(ctx context.Context, va *storagev1.VolumeAttachment, change func(*storagev1.VolumeAttachmentStatus)) error {
	old := va.DeepCopy()
	change(&va.Status)
	return a.Status().Patch(ctx, va, unchanged(old))
}

// unchanged makes a patch that fails if the object has changed since it was
// read.
func unchanged(old client.Object) client.Patch {
	return client.MergeFromWithOptions(old, client.MergeFromWithOptimisticLock{})
}
