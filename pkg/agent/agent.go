package agent

import (
	"context"
	"errors"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/nvme"
)

// How much one node may ask of the API server: requests each second, and how
// many at once after a quiet time. Watches do not count.
const (
	qps   = 50
	burst = 100
)

// Config is what an agent is made of.
type Config struct {
	// Node is the name of this node's Node object.
	Node string
	// Engine is what moves the I/O: native.
	Engine string
	// API is how the API server is reached. It is not asked before Run.
	API *rest.Config
	// Findings returns a volume's findings, for the snapshot that was published
	// last.
	Findings func(volumeID string) (findings []health.Finding, known bool)
	// Marginal returns the keys of those of its paths that are much worse than the
	// others; nil: nobody knows.
	Marginal func(volumeID string) []string
	// Health judges volumes for which no NVMePathPolicy has another judgement.
	Health health.Policy
	// Told takes what the cluster finds wrong with a volume, and nothing once it
	// is well; nil: nobody cares.
	Told func(volumeID string, found ...health.Finding)
	// Clock is the time; nil: time.Now.
	Clock func() time.Time
}

// layer is the multipath layer, as the agent needs it.
type layer interface {
	remedies
	drainer
	InUse(context.Context, nvme.NQN, nvme.NamespaceID) (bool, error)
}

// Agent speaks for one node to the API server.
type Agent struct {
	config   Config
	api      client.Client
	scheme   *runtime.Scheme
	mapper   meta.RESTMapper
	owner    *owner
	reporter *reporter
	policies *policies
	// maintainer drains what the cluster's maintenances ask for.
	maintainer *maintainer
	// seen has something once there is a snapshot that the steward has not been
	// told of.
	seen chan struct{}
}

// New returns an agent that has not said anything yet. It needs no API server.
func New(c Config) (*Agent, error) {
	if c.Node == "" || c.API == nil || c.Findings == nil {
		return nil, errors.New("agent: node, API or findings are missing")
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Marginal == nil {
		c.Marginal = func(string) []string { return nil }
	}
	if c.Told == nil {
		c.Told = func(string, ...health.Finding) {}
	}
	c.API = rest.CopyConfig(c.API)
	c.API.QPS, c.API.Burst = qps, burst
	scheme, mapper, err := kinds()
	if err != nil {
		return nil, err
	}
	api, err := client.New(c.API, client.Options{Scheme: scheme, Mapper: mapper})
	if err != nil {
		return nil, err
	}
	o, m := &owner{api: api, node: c.Node}, newMaintainer(c.Node, c.Clock)
	return &Agent{
		config: c, api: api, scheme: scheme, mapper: mapper, owner: o, reporter: newReporter(c, api, o, m), policies: newPolicies(c.Node, c.Health),
		maintainer: m, seen: make(chan struct{}, 1),
	}, nil
}

// kinds returns what the agent deals with. That is known beforehand: asking the
// API server for it would make the start depend on its answer.
func kinds() (*runtime.Scheme, meta.RESTMapper, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(v1alpha1.AddToScheme(scheme), corev1.AddToScheme(scheme), storagev1.AddToScheme(scheme), authenticationv1.AddToScheme(scheme)); err != nil {
		return nil, nil, err
	}
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(v1alpha1.GroupVersion.WithKind("NVMePathSet"), meta.RESTScopeRoot)
	mapper.Add(v1alpha1.GroupVersion.WithKind("NVMePathRemediation"), meta.RESTScopeRoot)
	mapper.Add(v1alpha1.GroupVersion.WithKind("NVMePathPolicy"), meta.RESTScopeRoot)
	mapper.Add(v1alpha1.GroupVersion.WithKind("NVMePathMaintenance"), meta.RESTScopeRoot)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Node"), meta.RESTScopeRoot)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("PersistentVolume"), meta.RESTScopeRoot)
	mapper.Add(authenticationv1.SchemeGroupVersion.WithKind("SelfSubjectReview"), meta.RESTScopeRoot)
	mapper.Add(storagev1.SchemeGroupVersion.WithKind("VolumeAttachment"), meta.RESTScopeRoot)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Event"), meta.RESTScopeNamespace)
	return scheme, mapper, nil
}

// Publish takes the layer's snapshots, each after the findings about it are
// there. It is quick and waits for nobody.
func (a *Agent) Publish(snap *multipath.Snapshot) {
	a.reporter.publish(snap)
	select {
	case a.seen <- struct{}{}:
	default:
	}
}

// HealthPolicy is how a volume is judged. It waits for nobody.
func (a *Agent) HealthPolicy(set *multipath.PathSet) health.Policy {
	r, _ := a.policies.forSet(set)
	return r.health
}

// Reported returns once the API has the path set of a volume that was staged
// before the call, and the volume is still attached to this node: then it stays
// so for as long as the path set is there. It waits for as long as ctx allows,
// at most 30 s.
func (a *Agent) Reported(ctx context.Context, volumeID string) error {
	if err := a.reporter.reported(ctx, volumeID); err != nil {
		return err
	}
	return a.attached(ctx, volumeID)
}

// NodeUID returns the UID of this node's Node object. It asks the API server
// the first time.
func (a *Agent) NodeUID(ctx context.Context) (string, error) {
	uid, err := a.owner.get(ctx)
	return string(uid), err
}

// Run reports what is published, carries out remediations and drains what is
// under maintenance, until ctx ends.
// An API server that is away, at the start or later, is waited for: paths need
// no agent.
func (a *Agent) Run(ctx context.Context, l layer) {
	a.reporter.inUse = func(ctx context.Context, s v1alpha1.NVMePathSetSpec) (bool, error) { return inUse(ctx, l, s) }
	var group sync.WaitGroup
	group.Go(func() { a.reporter.run(ctx) })
	group.Go(func() { a.keepManaging(ctx, l) })
	group.Wait()
}

// keepManaging runs the controllers, and begins anew should they ever end.
func (a *Agent) keepManaging(ctx context.Context, l layer) {
	for {
		err := a.manage(ctx, l)
		if ctx.Err() == nil {
			klog.FromContext(ctx).Error(err, "Nothing is reported, nor any remediation carried out; beginning anew", "after", lastPause)
		}
		select {
		case <-time.After(lastPause):
		case <-ctx.Done():
			return
		}
	}
}

// inUse tells whether somebody uses a namespace on the node of which no staged
// volume knows.
func inUse(ctx context.Context, l layer, s v1alpha1.NVMePathSetSpec) (bool, error) {
	nqn := nvme.NQN(s.SubsystemNQN)
	id := nvme.NamespaceID{Type: nvme.IDType(s.NamespaceID.Type), Value: s.NamespaceID.Value}
	if snap := l.Snapshot(); snap != nil {
		for i := range snap.PathSets {
			if set := &snap.PathSets[i]; set.SubsystemNQN == nqn && set.Namespace == id {
				return false, nil // by that volume
			}
		}
	}
	return l.InUse(ctx, nqn, id)
}
