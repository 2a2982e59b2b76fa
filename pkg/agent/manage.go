package agent

import (
	"context"
	"math"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// writers is how many path sets are written at the same time.
const writers = 4

// stopTimeout is how long what runs may go on once the agent is told to stop.
const stopTimeout = 5 * time.Second

// manage runs the controllers until ctx ends.
func (a *Agent) manage(ctx context.Context, l layer) error {
	mine := cache.ByObject{Field: fields.OneTermEqualSelector("spec.nodeName", a.config.Node), Transform: cache.TransformStripManagedFields()}
	m, err := ctrl.NewManager(a.config.API, ctrl.Options{
		Scheme: a.scheme, Logger: klog.FromContext(ctx), BaseContext: func() context.Context { return ctx },
		MapperProvider: func(*rest.Config, *http.Client) (meta.RESTMapper, error) { return a.mapper, nil },
		Metrics:        server.Options{BindAddress: "0"}, // braid-node has its own
		Cache: cache.Options{
			ByObject: map[client.Object]cache.ByObject{&v1alpha1.NVMePathSet{}: mine, &v1alpha1.NVMePathRemediation{}: mine},
			// Nothing else is ever watched, of however many nodes.
			ReaderFailOnMissingInformer: true,
		},
		Controller: config.Controller{
			// The API server may be away for as long as it likes, and a manager
			// may be begun anew in one process.
			CacheSyncTimeout: math.MaxInt64, SkipNameValidation: ptr.To(true),
		},
		GracefulShutdownTimeout: ptr.To(stopTimeout),
	})
	if err != nil {
		return err
	}
	if err := a.addReporter(m); err != nil {
		return err
	}
	o := newOverview(a.config.Node, l, a.policies, a.config.Marginal, a.config.Clock)
	if err := a.addExecutor(m, o); err != nil {
		return err
	}
	if err := m.Add(manager.RunnableFunc(func(ctx context.Context) error { return a.followPolicies(ctx, m.GetCache()) })); err != nil {
		return err
	}
	if err := m.Add(manager.RunnableFunc(func(ctx context.Context) error { return a.maintainer.run(ctx, m.GetCache(), l) })); err != nil {
		return err
	}
	w := newSteward(o, a.api, m.GetCache(), a.reporter.add)
	if err := m.Add(manager.RunnableFunc(func(ctx context.Context) error { return w.run(ctx, a.seen) })); err != nil {
		return err
	}
	return m.Start(ctx)
}

// addReporter makes the manager write path sets, when the reporter says so,
// and tell what others do with them.
func (a *Agent) addReporter(m manager.Manager) error {
	from := source.Func(func(_ context.Context, q workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		a.reporter.attach(q)
		return nil
	})
	err := builder.ControllerManagedBy(m).Named("pathset").WatchesRawSource(from).
		WithOptions(controller.Options{MaxConcurrentReconciles: writers}).Complete(a.reporter)
	if err != nil {
		return err
	}
	return m.Add(manager.RunnableFunc(func(ctx context.Context) error {
		informer, err := m.GetCache().GetInformer(ctx, &v1alpha1.NVMePathSet{}, cache.BlockUntilSynced(false))
		if err != nil {
			return err
		}
		if _, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc:    func(obj any) { a.reporter.hear(obj.(*v1alpha1.NVMePathSet)) },
			UpdateFunc: func(_, obj any) { a.reporter.hear(obj.(*v1alpha1.NVMePathSet)) },
			DeleteFunc: func(obj any) {
				if unknown, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
					obj = unknown.Obj
				}
				set := obj.(*v1alpha1.NVMePathSet)
				a.config.Told(set.Spec.VolumeHandle)
				a.reporter.lost(set.Name)
			},
		}); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}))
}

// addExecutor makes the manager hand this node's remediations to the executor.
func (a *Agent) addExecutor(m manager.Manager, o *overview) error {
	open := predicate.NewPredicateFuncs(func(o client.Object) bool {
		r, ok := o.(*v1alpha1.NVMePathRemediation)
		return ok && !over(r)
	})
	return builder.ControllerManagedBy(m).Named("remediation").For(&v1alpha1.NVMePathRemediation{}, builder.WithPredicates(open)).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: 1,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstPause, lastPause),
		}).Complete(newExecutor(o, a.api, a.reporter.add))
}

// followPolicies takes up the cluster's policies, now and as they change.
func (a *Agent) followPolicies(ctx context.Context, c cache.Cache) error {
	informer, err := c.GetInformer(ctx, &v1alpha1.NVMePathPolicy{})
	if err != nil {
		return err
	}
	take := func() {
		var all v1alpha1.NVMePathPolicyList
		if err := c.List(ctx, &all); err == nil {
			a.policies.take(all.Items)
		}
	}
	take()
	if _, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { take() }, UpdateFunc: func(any, any) { take() }, DeleteFunc: func(any) { take() },
	}); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
