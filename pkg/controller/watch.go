package controller

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/attachment"
)

// nodeField is a path set's node, for the API server, which has a field
// selector for it. The others are indexes of the cache.
const (
	nodeField      = "spec.nodeName"
	nodeIndex      = "node"
	volumeIndex    = "volume"
	namespaceIndex = "namespace"
)

// indexes are what the cache finds objects by.
var indexes = []struct {
	object client.Object
	name   string
	value  client.IndexerFunc
}{
	{&storagev1.VolumeAttachment{}, nodeIndex, func(o client.Object) []string {
		return attachmentIndex(o, func(va *storagev1.VolumeAttachment) string { return va.Spec.NodeName })
	}},
	{&storagev1.VolumeAttachment{}, volumeIndex, func(o client.Object) []string {
		return attachmentIndex(o, volumeName)
	}},
	{&corev1.PersistentVolume{}, namespaceIndex, func(o client.Object) []string {
		pv := o.(*corev1.PersistentVolume)
		if !ours(pv) {
			return nil
		}
		namespace, err := namespaceOf(pv)
		if err != nil {
			return nil // it cannot be attached either
		}
		return []string{namespace}
	}},
	{&v1alpha1.NVMePathSet{}, namespaceIndex, func(o client.Object) []string {
		s := o.(*v1alpha1.NVMePathSet).Spec
		return []string{namespaceKey(s.SubsystemNQN, s.NamespaceID.Type, s.NamespaceID.Value)}
	}},
}

func attachmentIndex(o client.Object, value func(*storagev1.VolumeAttachment) string) []string {
	va := o.(*storagev1.VolumeAttachment)
	if va.Spec.Attacher != attachment.Driver {
		return nil
	}
	return []string{value(va)}
}

// SetupWithManager makes the manager run the attacher, woken by everything that
// its decisions depend on.
func (a *Attacher) SetupWithManager(ctx context.Context, m ctrl.Manager) error {
	for _, i := range indexes {
		if err := m.GetFieldIndexer().IndexField(ctx, i.object, i.name, i.value); err != nil {
			return err
		}
	}
	warm := true
	return ctrl.NewControllerManagedBy(m).Named("attacher").
		For(&storagev1.VolumeAttachment{}, builder.WithPredicates(predicate.NewPredicateFuncs(attachedByUs))).
		Watches(&storagev1.VolumeAttachment{}, handler.EnqueueRequestsFromMapFunc(a.refused), builder.WithPredicates(deletions(attachedByUs))).
		Watches(&corev1.PersistentVolume{}, handler.EnqueueRequestsFromMapFunc(a.ofVolume)).
		Watches(&v1alpha1.NVMePathSet{}, handler.EnqueueRequestsFromMapFunc(a.leaving), builder.WithPredicates(deletions(nil))).
		Watches(&corev1.Node{}, handler.EnqueueRequestsFromMapFunc(a.leaving), builder.WithPredicates(nodeStateChanges())).
		WithOptions(controller.Options{
			// More than one would not see each other's attachments.
			MaxConcurrentReconciles: 1,
			ReconciliationTimeout:   time.Minute,
			EnableWarmup:            &warm,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](100*time.Millisecond, time.Minute),
		}).
		Complete(a)
}

func attachedByUs(o client.Object) bool {
	va, ok := o.(*storagev1.VolumeAttachment)
	return ok && va.Spec.Attacher == attachment.Driver
}

// deletions lets through that an object is gone.
func deletions(of func(client.Object) bool) predicate.Funcs {
	return predicate.Funcs{
		CreateFunc:  func(event.CreateEvent) bool { return false },
		UpdateFunc:  func(event.UpdateEvent) bool { return false },
		GenericFunc: func(event.GenericEvent) bool { return false },
		DeleteFunc:  func(e event.DeleteEvent) bool { return of == nil || of(e.Object) },
	}
}

// nodeStateChanges lets through that a node goes out of service or is gone.
func nodeStateChanges() predicate.Funcs {
	p := deletions(nil)
	p.UpdateFunc = func(e event.UpdateEvent) bool {
		old, ok := e.ObjectOld.(*corev1.Node)
		n, also := e.ObjectNew.(*corev1.Node)
		return ok && also && outOfService(old) != outOfService(n)
	}
	return p
}

// ofVolume are the attachments of a PersistentVolume.
func (a *Attacher) ofVolume(ctx context.Context, o client.Object) []reconcile.Request {
	return a.attachments(ctx, func(*storagev1.VolumeAttachment) bool { return true }, client.MatchingFields{volumeIndex: o.GetName()})
}

// leaving are the attachments that may be waiting for a node, or for a path
// set of its.
func (a *Attacher) leaving(ctx context.Context, o client.Object) []reconcile.Request {
	node := o.GetName()
	if ps, ok := o.(*v1alpha1.NVMePathSet); ok {
		node = ps.Spec.NodeName
	}
	return a.attachments(ctx, func(va *storagev1.VolumeAttachment) bool { return va.DeletionTimestamp != nil }, client.MatchingFields{nodeIndex: node})
}

// refused are the attachments that another one may have stood in the way of.
func (a *Attacher) refused(ctx context.Context, _ client.Object) []reconcile.Request {
	return a.attachments(ctx, func(va *storagev1.VolumeAttachment) bool {
		return attachedByUs(va) && !va.Status.Attached && va.Status.AttachError != nil
	})
}

func (a *Attacher) attachments(ctx context.Context, wanted func(*storagev1.VolumeAttachment) bool, by ...client.ListOption) []reconcile.Request {
	var list storagev1.VolumeAttachmentList
	if err := a.List(ctx, &list, append(by, client.DisableReadYourWritesConsistency)...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Cannot list attachments") // the cache is stopping
		return nil
	}
	var requests []reconcile.Request
	for _, va := range list.Items {
		if wanted(&va) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&va)})
		}
	}
	return requests
}
