package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

// leaseName is the Lease by which one of several replicas is elected.
const leaseName = "braid-controller"

// Options say how the controller runs.
type Options struct {
	// LeaderElect lets one replica at a time work; the others wait for it to
	// end. Namespace is where its Lease is, empty for the pod's own.
	LeaderElect bool
	Namespace   string
	// HealthAddress serves /healthz and /readyz, MetricsAddress /metrics.
	// Empty: nothing does.
	HealthAddress, MetricsAddress string
	// ReleaseTimeout is Attacher's.
	ReleaseTimeout time.Duration
}

// NewManager returns what runs the controller with its Start, until the
// context ends. The process must end then too: by that time another replica may
// be at work.
func NewManager(ctx context.Context, config *rest.Config, o Options) (manager.Manager, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	consistent := true
	m, err := ctrl.NewManager(config, manager.Options{
		Scheme: scheme,
		Logger: klog.FromContext(ctx),
		Cache:  cacheOptions(),
		Client: client.Options{Cache: &client.CacheOptions{EnableReadYourWritesConsistency: &consistent}},

		LeaderElection:                o.LeaderElect,
		LeaderElectionID:              leaseName,
		LeaderElectionNamespace:       o.Namespace,
		LeaderElectionReleaseOnCancel: true,

		HealthProbeBindAddress: o.HealthAddress,
		Metrics:                server.Options{BindAddress: cmp.Or(o.MetricsAddress, "0")},
	})
	if err != nil {
		return nil, err
	}
	a := &Attacher{
		Client: m.GetClient(), Live: m.GetAPIReader(), Events: m.GetEventRecorder("braid-controller"),
		ReleaseTimeout: o.ReleaseTimeout, Now: time.Now,
	}
	h := &HostNQNs{Client: m.GetClient(), Now: time.Now}
	return m, errors.Join(
		a.SetupWithManager(ctx, m),
		h.SetupWithManager(ctx, m),
		(&Maintenances{Client: m.GetClient(), Now: time.Now}).SetupWithManager(ctx, m),
		m.AddHealthzCheck("ping", healthz.Ping),
		m.AddReadyzCheck("caches", ready(m.GetCache())),
	)
}

// ready tells whether the replica could take over at once.
func ready(c cache.Cache) healthz.Checker {
	return func(r *http.Request) error {
		ctx, cancel := context.WithTimeout(r.Context(), time.Second)
		defer cancel()
		if !c.WaitForCacheSync(ctx) {
			return errors.New("the objects of the cluster are not all read yet")
		}
		return nil
	}
}

// cacheOptions keep of each object what is needed.
func cacheOptions() cache.Options {
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Node{}:             {Transform: slim(slimNode)},
			&corev1.PersistentVolume{}: {Transform: slim(slimVolume)},
			&v1alpha1.NVMePathSet{}:    {Transform: slim(slimPathSet)},
		},
	}
}

// slim makes a transformation of the cache from a function that removes from an
// object what nobody reads.
func slim[T client.Object](remove func(T)) func(any) (any, error) {
	return func(obj any) (any, error) {
		o, ok := obj.(T)
		if !ok {
			return nil, fmt.Errorf("the cache has a %T for a %T", obj, o)
		}
		o.SetManagedFields(nil)
		o.SetAnnotations(nil)
		o.SetLabels(nil)
		remove(o)
		return o, nil
	}
}

func slimNode(n *corev1.Node) {
	n.Spec, n.Status = corev1.NodeSpec{Taints: n.Spec.Taints}, corev1.NodeStatus{}
}

func slimVolume(pv *corev1.PersistentVolume) {
	pv.Status = corev1.PersistentVolumeStatus{}
	if !ours(pv) {
		pv.Spec = corev1.PersistentVolumeSpec{}
	}
}

func slimPathSet(ps *v1alpha1.NVMePathSet) {
	s := v1alpha1.NVMePathSetStatus{HostNQN: ps.Status.HostNQN}
	if c := meta.FindStatusCondition(ps.Status.Conditions, v1alpha1.ConditionHostNQNUnique); c != nil {
		s.Conditions = []metav1.Condition{*c}
	}
	for _, p := range ps.Status.Paths {
		s.Paths = append(s.Paths, v1alpha1.PathStatus{Address: p.Address, Expected: p.Expected, Usable: p.Usable, Maintenance: p.Maintenance})
	}
	ps.Status = s
}
