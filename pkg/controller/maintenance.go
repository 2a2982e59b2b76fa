package controller

import (
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	applied "github.com/braid-csi/braid/pkg/api/v1alpha1/applyconfiguration/api/v1alpha1"
)

// targetIndex finds path sets by the targets' addresses that their paths lead to.
const targetIndex = "target"

// gather is for how long what path sets say is gathered before it is summed up:
// when a port is drained that a thousand volumes share, a thousand tell of it.
const gather = 200 * time.Millisecond

// Maintenances reconciles NVMePathMaintenances: it sums up in their status what
// the nodes say in their path sets.
type Maintenances struct {
	client.Client // reads from the cache
	Now           func() time.Time
}

// Reconcile sums one up, unless its record is complete.
func (m *Maintenances) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	one := new(v1alpha1.NVMePathMaintenance)
	if err := m.Get(ctx, req.NamespacedName, one); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if complete(one) {
		return ctrl.Result{}, nil
	}
	var sets v1alpha1.NVMePathSetList
	if err := m.List(ctx, &sets, client.MatchingFields{targetIndex: one.Spec.Address}); err != nil {
		return ctrl.Result{}, err
	}
	now := m.Now()
	status := summary(one, surveyOf(one, sets.Items), now)
	if !equality.Semantic.DeepEqual(status, one.Status) {
		if err := m.write(ctx, one, status); err != nil {
			return ctrl.Result{}, client.IgnoreNotFound(err)
		}
	}
	return ctrl.Result{RequeueAfter: max(0, until(one).Sub(now))}, nil
}

// complete tells whether everything is back: what happens to paths later is
// another story.
func complete(one *v1alpha1.NVMePathMaintenance) bool {
	return meta.IsStatusConditionTrue(one.Status.Conditions, v1alpha1.ConditionReturned)
}

func (m *Maintenances) write(ctx context.Context, one *v1alpha1.NVMePathMaintenance, s v1alpha1.NVMePathMaintenanceStatus) error {
	status := applied.NVMePathMaintenanceStatus().WithUntil(*s.Until).
		WithPaths(s.Paths).WithDrainedPaths(s.DrainedPaths).WithRefusedPaths(s.RefusedPaths).WithUsablePaths(s.UsablePaths)
	for _, c := range s.Conditions {
		status.WithConditions(metaac.Condition().WithType(c.Type).WithStatus(c.Status).WithReason(c.Reason).WithMessage(c.Message).
			WithObservedGeneration(c.ObservedGeneration).WithLastTransitionTime(c.LastTransitionTime))
		if was := meta.FindStatusCondition(one.Status.Conditions, c.Type); was == nil || was.Reason != c.Reason {
			klog.FromContext(ctx).Info("Maintenance", "maintenance", one.Name, "address", one.Spec.Address, c.Type, c.Status, "reason", c.Reason, "message", c.Message)
		}
	}
	ac := applied.NVMePathMaintenance(one.Name).WithUID(one.UID).WithStatus(status)
	return m.Status().Apply(ctx, ac, fieldManager, client.ForceOwnership)
}

// SetupWithManager makes the manager run it, woken by maintenances and by what
// path sets say of the paths that they are about.
func (m *Maintenances) SetupWithManager(ctx context.Context, mgr ctrl.Manager) error {
	if err := mgr.GetFieldIndexer().IndexField(ctx, &v1alpha1.NVMePathSet{}, targetIndex, targets); err != nil {
		return err
	}
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	wake := handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) { m.concerned(ctx, q, e.Object) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) { m.concerned(ctx, q, e.ObjectOld, e.ObjectNew) },
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { m.concerned(ctx, q, e.Object) },
	}
	return ctrl.NewControllerManagedBy(mgr).Named("maintenance").For(&v1alpha1.NVMePathMaintenance{}).
		Watches(&v1alpha1.NVMePathSet{}, wake, builder.WithPredicates(predicate.Funcs{UpdateFunc: pathChanges})).
		WithOptions(controller.Options{ReconciliationTimeout: time.Minute}).
		Complete(m)
}

// concerned asks for a look at the maintenances that path sets are about.
func (m *Maintenances) concerned(ctx context.Context, q workqueue.TypedRateLimitingInterface[reconcile.Request], sets ...client.Object) {
	var all v1alpha1.NVMePathMaintenanceList
	if err := m.List(ctx, &all, client.DisableReadYourWritesConsistency); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Cannot list maintenances") // the cache is stopping
		return
	}
	for i := range all.Items {
		one := &all.Items[i]
		if !complete(one) && slices.ContainsFunc(sets, func(set client.Object) bool { return slices.Contains(targets(set), one.Spec.Address) }) {
			q.AddAfter(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(one)}, gather)
		}
	}
}

// targets is the value of targetIndex.
func targets(o client.Object) []string {
	var all []string
	for _, p := range pathsOf(o.(*v1alpha1.NVMePathSet)) {
		all = append(all, v1alpha1.TargetOf(p.Address))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// pathsOf are a path set's paths. Before its node has said anything of them they
// are those that its volume asks for.
func pathsOf(set *v1alpha1.NVMePathSet) []v1alpha1.PathStatus {
	if len(set.Status.Paths) > 0 {
		return set.Status.Paths
	}
	var paths []v1alpha1.PathStatus
	for _, address := range set.Spec.Addresses {
		paths = append(paths, v1alpha1.PathStatus{Address: address, Expected: true})
	}
	return paths
}

// pathChanges lets through what changes the answer.
func pathChanges(e event.UpdateEvent) bool {
	return !equality.Semantic.DeepEqual(pathsOf(e.ObjectOld.(*v1alpha1.NVMePathSet)), pathsOf(e.ObjectNew.(*v1alpha1.NVMePathSet)))
}

// until is when a maintenance ends at the latest.
func until(one *v1alpha1.NVMePathMaintenance) time.Time {
	lasts, err := time.ParseDuration(string(one.Spec.Duration))
	if err != nil { // the definition has let it through, and no node goes by it
		lasts = 0
	}
	return one.CreationTimestamp.Add(lasts)
}

// ended tells whether paths are to be brought back.
func ended(one *v1alpha1.NVMePathMaintenance, now time.Time) bool {
	return one.Spec.Ended || one.DeletionTimestamp != nil || !now.Before(until(one))
}
