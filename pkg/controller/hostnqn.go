package controller

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"
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

// hostIndex finds path sets by the host NQN that their node presents.
const hostIndex = "host"

// fieldManager is by which name the API server knows what the controller
// applied.
const fieldManager = client.FieldOwner("braid-controller")

// HostNQNs reconciles the host NQNs of the cluster's nodes: a request's name is
// one of them. It says of each path set whether its node alone presents it, by
// the condition HostNQNUnique.
type HostNQNs struct {
	client.Client // reads from the cache
	Now           func() time.Time
}

// Reconcile compares the nodes that present one host NQN.
func (h *HostNQNs) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var sets v1alpha1.NVMePathSetList
	if err := h.List(ctx, &sets, client.MatchingFields{hostIndex: req.Name}); err != nil {
		return ctrl.Result{}, err
	}
	nodes := nodesOf(sets.Items)
	if len(nodes) > 1 {
		klog.FromContext(ctx).Info("Several nodes present one host NQN", "hostNQN", req.Name, "nodes", nodes)
	}
	for i := range sets.Items {
		if err := h.say(ctx, &sets.Items[i], nodes); err != nil {
			return ctrl.Result{}, err
		}
	}
	return ctrl.Result{}, nil
}

// nodesOf are the nodes that have path sets, each once, by name.
func nodesOf(sets []v1alpha1.NVMePathSet) []string {
	var nodes []string
	for _, ps := range sets {
		nodes = append(nodes, ps.Spec.NodeName)
	}
	slices.Sort(nodes)
	return slices.Compact(nodes)
}

// say brings the path set's condition in step with the nodes that present its
// host NQN.
func (h *HostNQNs) say(ctx context.Context, ps *v1alpha1.NVMePathSet, nodes []string) error {
	status := applied.NVMePathSetStatus()
	if c := verdict(ps, nodes); c != nil {
		c.LastTransitionTime = metav1.NewTime(h.Now())
		if !meta.SetStatusCondition(&ps.Status.Conditions, *c) {
			return nil
		}
		c = meta.FindStatusCondition(ps.Status.Conditions, c.Type)
		status.WithConditions(metaac.Condition().WithType(c.Type).WithStatus(c.Status).WithReason(c.Reason).
			WithMessage(c.Message).WithLastTransitionTime(c.LastTransitionTime))
	} else if !meta.RemoveStatusCondition(&ps.Status.Conditions, v1alpha1.ConditionHostNQNUnique) {
		return nil
	}
	// With its UID, for another one of the name has not been looked at.
	ac := applied.NVMePathSet(ps.Name).WithUID(ps.UID).WithStatus(status)
	return client.IgnoreNotFound(h.Status().Apply(ctx, ac, fieldManager, client.ForceOwnership))
}

// verdict is the condition that a path set shall have, nil for none: nothing is
// known while its node presents no host NQN. The message names one other node
// only, so that not all of many have to be written when one more comes.
func verdict(ps *v1alpha1.NVMePathSet, nodes []string) *metav1.Condition {
	nqn := ps.Status.HostNQN
	if nqn == "" {
		return nil
	}
	other := slices.IndexFunc(nodes, func(n string) bool { return n != ps.Spec.NodeName })
	if other < 0 {
		return &metav1.Condition{
			Type: v1alpha1.ConditionHostNQNUnique, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonHealthy,
			Message: "no other node presents this node's host NQN",
		}
	}
	return &metav1.Condition{
		Type: v1alpha1.ConditionHostNQNUnique, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonDuplicateHostNQN,
		Message: fmt.Sprintf("node %s presents the same host NQN, %s: targets take both nodes for one host", nodes[other], nqn),
	}
}

// SetupWithManager makes the manager run it, woken by path sets that come, go
// or change their host NQN, and by others' hands on the condition.
func (h *HostNQNs) SetupWithManager(ctx context.Context, m ctrl.Manager) error {
	if err := m.GetFieldIndexer().IndexField(ctx, &v1alpha1.NVMePathSet{}, hostIndex, hostNQN); err != nil {
		return err
	}
	// Of an update both objects are asked: the host NQN of before may be
	// presented by one node now.
	byHost := handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: client.ObjectKey{Name: hostNQN(o)[0]}}}
	})
	return ctrl.NewControllerManagedBy(m).Named("hostnqn").
		Watches(&v1alpha1.NVMePathSet{}, byHost, builder.WithPredicates(predicate.Funcs{UpdateFunc: hostChanges})).
		WithOptions(controller.Options{ReconciliationTimeout: time.Minute}).
		Complete(h)
}

// hostNQN is the value of hostIndex.
func hostNQN(o client.Object) []string { return []string{o.(*v1alpha1.NVMePathSet).Status.HostNQN} }

// hostChanges lets through what changes the answer.
func hostChanges(e event.UpdateEvent) bool {
	old, is := e.ObjectOld.(*v1alpha1.NVMePathSet), e.ObjectNew.(*v1alpha1.NVMePathSet)
	return old.Status.HostNQN != is.Status.HostNQN || !slices.Equal(old.Status.Conditions, is.Status.Conditions)
}
