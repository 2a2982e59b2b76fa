package agent

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

const (
	// actionTimeout bounds one action.
	actionTimeout = 30 * time.Second
	// snapshotWait is how often it is looked whether the layer has seen the
	// node yet.
	snapshotWait = time.Second

	maxCounters = 512
	maxMessage  = 1024
)

// remedies are what the layer knows of paths, and can do about them.
type remedies interface {
	Snapshot() *multipath.Snapshot
	Subsystem(nvme.NQN) *multipath.Subsystem
	Evidence(context.Context, *multipath.Subsystem) map[string]multipath.Evidence
	Prove(ctx context.Context, volumeID, key string) error
	Rescan(ctx context.Context, volumeID, devNum string) (multipath.Device, error)
	ResetController(ctx context.Context, volumeID, key string, permit multipath.Permit) error
	KickConnection(ctx context.Context, volumeID, key string, permit multipath.Permit) error
	Reconnect(ctx context.Context, volumeID, key string, permit multipath.Permit) error
	Bench(ctx context.Context, volumeID, key string, rest time.Duration, permit multipath.Permit) error
	Reset(ctx context.Context, volumeID string, req ledger.ResetRequest) (ledger.Reset, error)
	ResetOf(request string) (ledger.Reset, bool)
}

// executor carries out the remediations of this node, one at a time and each
// once.
//
//	requested --> Unknown/Running --> actions --> Unknown/Stabilizing --> True/Done
//	  (startTime is written first)       |          (after a repair)
//	                                     |                 |
//	                                     v                 v
//	                             False/why it failed   False/FaultPersists
//	                             or was refused
//
// Should braid-node die after the first write, its next run goes on where the
// record ends. What is done to a controller is written down as Running before it
// is begun, and not begun a second time: it has Failed, as Interrupted, and a
// policy asks for another one if there is need. To rescan twice does no harm, and
// a reset goes by the name of the request, the remediation's UID: the ledger
// knows what came of it, and does it no second time.
type executor struct {
	*overview
	api  client.Client
	tell func(pathSet string, h happening)
	// works are those that are not over, by their names.
	works map[string]*work
}

func newExecutor(o *overview, api client.Client, tell func(string, happening)) *executor {
	return &executor{overview: o, api: api, tell: tell, works: map[string]*work{}}
}

// Reconcile goes on with a remediation, unless it is over.
func (x *executor) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	var r v1alpha1.NVMePathRemediation
	// Not from a cache: it might not have what was written last.
	err := request(ctx, func(ctx context.Context) error { return x.api.Get(ctx, req.NamespacedName, &r) })
	switch {
	case apierrors.IsNotFound(err), err == nil && (r.Spec.NodeName != x.node || over(&r) || r.DeletionTimestamp != nil):
		delete(x.works, req.Name)
		return reconcile.Result{}, nil
	case err != nil:
		return reconcile.Result{}, err
	case x.layer.Snapshot() == nil: // nothing is known of the node yet
		return reconcile.Result{RequeueAfter: snapshotWait}, nil
	}
	w := x.works[req.Name]
	if w == nil || w.r.UID != r.UID {
		w = &work{executor: x, status: r.Status}
		x.works[req.Name] = w
	}
	w.r = &r
	wait, err := w.goOn(ctx)
	if err != nil || wait > 0 {
		return reconcile.Result{RequeueAfter: wait}, client.IgnoreNotFound(err)
	}
	delete(x.works, req.Name)
	c := succeeded(&w.status)
	klog.FromContext(ctx).Info("Remediation carried out", "remediation", r.Name, "pathSet", r.Spec.PathSet,
		"by", r.Spec.RequestedBy, "succeeded", c.Status, "reason", c.Reason, "reset", w.status.ResetID)
	x.tellEnd(&r, &w.status)
	return reconcile.Result{}, nil
}

// over tells whether a remediation has its final word.
func over(r *v1alpha1.NVMePathRemediation) bool {
	c := succeeded(&r.Status)
	return c != nil && c.Status != metav1.ConditionUnknown
}

func succeeded(s *v1alpha1.NVMePathRemediationStatus) *metav1.Condition {
	return meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionSucceeded)
}

// pathSet returns the path set of that name, nil if it is not on this node.
func (x *executor) pathSet(name string) *multipath.PathSet {
	snap := x.layer.Snapshot()
	for i := range snap.PathSets {
		if Name(x.node, snap.PathSets[i].VolumeID) == name {
			return &snap.PathSets[i]
		}
	}
	return nil
}

// noteReset notes which counters a reset was of.
func noteReset(s *v1alpha1.NVMePathRemediationStatus, r ledger.Reset) {
	s.ResetID, s.Counters = r.ID, nil
	for of, before := range r.Before {
		for c, was := range before {
			is := r.After[of][c]
			s.Counters = append(s.Counters, v1alpha1.CounterChange{
				Of: line(of, maxAddress), Counter: string(c),
				Before: clamp(was.SinceReset), After: clamp(is.SinceReset), Lifetime: clamp(is.Lifetime),
			})
		}
	}
	slices.SortFunc(s.Counters, func(a, b v1alpha1.CounterChange) int {
		return cmp.Or(strings.Compare(a.Of, b.Of), strings.Compare(a.Counter, b.Counter))
	})
	s.Counters = s.Counters[:min(len(s.Counters), maxCounters)]
}
