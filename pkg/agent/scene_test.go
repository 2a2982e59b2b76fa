package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/ktesting"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/api/v1alpha1/applyconfiguration"
	applied "github.com/braid-csi/braid/pkg/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
)

// testUser is by which name the API server knows the agent.
const testUser = "system:serviceaccount:braid-system:braid-node"

// errLate is what a request gets of which the answer does not arrive.
var errLate = errors.New("connection reset")

// errAway is what a request gets while the API server is away.
var errAway = errors.New("connection refused")

// fakeAPI is an API server in memory that notes what it is asked. What a real
// one makes of it is shown on a real cluster.
type fakeAPI struct {
	client.WithWatch
	store client.WithWatch // the same, without a note

	mu    sync.Mutex
	asked []string
	// fail, if set, may answer a request instead: "get", "list", "apply",
	// "status", "create" or "delete", with the object's name.
	fail func(verb, name string) error
}

func newFakeAPI(t *testing.T, objects ...client.Object) *fakeAPI {
	t.Helper()
	scheme, _, err := kinds()
	if err != nil {
		t.Fatal(err)
	}
	f := new(fakeAPI)
	nodeOf := func(o client.Object) []string { return []string{o.(*v1alpha1.NVMePathSet).Spec.NodeName} }
	f.store = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithStatusSubresource(&v1alpha1.NVMePathSet{}, &v1alpha1.NVMePathRemediation{}).
		WithIndex(&v1alpha1.NVMePathSet{}, "spec.nodeName", nodeOf).
		WithIndex(&v1alpha1.NVMePathRemediation{}, "spec.nodeName", func(o client.Object) []string {
			return []string{o.(*v1alpha1.NVMePathRemediation).Spec.NodeName}
		}).
		WithTypeConverters(applyconfiguration.NewTypeConverter(scheme), managedfields.NewDeducedTypeConverter()).Build()
	f.WithWatch = interceptor.NewClient(f.store, f.watching())
	return f
}

// watching notes requests on their way to the API, and refuses those that
// shall fail.
func (f *fakeAPI) watching() interceptor.Funcs {
	return interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			return f.request("get", key.Name, func() error { return c.Get(ctx, key, o, opts...) })
		},
		List: func(ctx context.Context, c client.WithWatch, l client.ObjectList, opts ...client.ListOption) error {
			return f.request("list", "", func() error { return c.List(ctx, l, opts...) })
		},
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			what := o.GetName()
			if self, ok := o.(*authenticationv1.SelfSubjectReview); ok {
				self.Status.UserInfo.Username = testUser
				return f.request("create", "SelfSubjectReview", func() error { return nil })
			}
			if o.GetUID() == "" {
				o.SetUID(types.UID("uid-of-" + what)) // as a real one does
			}
			if e, ok := o.(*corev1.Event); ok {
				what = fmt.Sprintf("%s on %s", e.Reason, e.InvolvedObject.Kind)
			}
			return f.request("create", what, func() error { return c.Create(ctx, o, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return f.request("delete", o.GetName(), func() error { return c.Delete(ctx, o, opts...) })
		},
		Apply: func(ctx context.Context, c client.WithWatch, ac runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			return f.request("apply", nameOf(ac), func() error { return c.Apply(ctx, ac, opts...) })
		},
		SubResourceApply: func(ctx context.Context, c client.Client, sub string, ac runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption) error {
			return f.request(sub, nameOf(ac), func() error {
				// Unlike a real one, this one would make the object.
				if err := c.Get(ctx, client.ObjectKey{Name: nameOf(ac)}, kindOf(ac)); err != nil {
					return err
				}
				return c.SubResource(sub).Apply(ctx, ac, opts...)
			})
		},
	}
}

func nameOf(ac runtime.ApplyConfiguration) string {
	switch a := ac.(type) {
	case *applied.NVMePathSetApplyConfiguration:
		return *a.GetName()
	case *applied.NVMePathRemediationApplyConfiguration:
		return *a.GetName()
	}
	panic(fmt.Sprintf("%T", ac))
}

func kindOf(ac runtime.ApplyConfiguration) client.Object {
	if _, ok := ac.(*applied.NVMePathRemediationApplyConfiguration); ok {
		return new(v1alpha1.NVMePathRemediation)
	}
	return new(v1alpha1.NVMePathSet)
}

func (f *fakeAPI) request(verb, name string, do func() error) error {
	f.mu.Lock()
	fail := f.fail
	f.asked = append(f.asked, strings.TrimSpace(verb+" "+name))
	f.mu.Unlock()
	if fail != nil {
		if err := fail(verb, name); err != nil {
			if errors.Is(err, errLate) {
				_ = do()
			}
			return err
		}
	}
	return do()
}

// took returns what was asked since the last time.
func (f *fakeAPI) took() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := f.asked
	f.asked = nil
	return asked
}

// answering sets what fails; nil: nothing.
func (f *fakeAPI) answering(fail func(verb, name string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = fail
}

// nobody answers.
func nobody(string, string) error { return errAway }

var pathSets = schema.GroupResource{Group: "braid.dev", Resource: "nvmepathsets"}

// worker is the Node of the tests.
func worker(uid types.UID) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: testNode, UID: uid}}
}

// scene is a reporter with a clock that is moved by hand: what is due runs as
// the clock passes it.
type scene struct {
	*reporter
	t     *testing.T
	ctx   context.Context
	api   *fakeAPI
	log   *ktesting.BufferTL
	clock time.Time
	found map[string][]health.Finding
	told  map[string][]health.Finding // what the health monitor was told
	used  bool                        // an orphan's volume is in use
	queue map[string]time.Time
}

func newScene(t *testing.T, api *fakeAPI) *scene {
	t.Helper()
	s := &scene{t: t, api: api, clock: noon, found: map[string][]health.Finding{}, told: map[string][]health.Finding{}, queue: map[string]time.Time{}, log: new(ktesting.BufferTL)}
	s.ctx = klog.NewContext(t.Context(), ktesting.NewLogger(s.log, ktesting.NewConfig()))
	s.reporter = newReporter(Config{
		Node: testNode, Engine: "native", Clock: func() time.Time { return s.clock },
		Findings: func(id string) ([]health.Finding, bool) { return s.found[id], true },
		Told:     func(id string, found ...health.Finding) { s.told[id] = found },
	}, api, &owner{api: api, node: testNode}, newMaintainer(testNode, func() time.Time { return s.clock }))
	s.inUse = func(context.Context, v1alpha1.NVMePathSetSpec) (bool, error) { return s.used, nil }
	s.attach(s)
	return s
}

// AddAfter is the queue's: the earliest time counts.
func (s *scene) AddAfter(req reconcile.Request, d time.Duration) {
	at := s.clock.Add(d)
	if have, ok := s.queue[req.Name]; !ok || at.Before(have) {
		s.queue[req.Name] = at
	}
}

// look publishes what is staged, and lets it be taken up.
func (s *scene) look(sets ...multipath.PathSet) {
	s.publish(&multipath.Snapshot{At: s.clock, PathSets: sets})
	if wait := s.load(s.ctx); wait == 0 {
		s.lookThrough()
	}
}

// run lets the clock go on to so many seconds after noon.
func (s *scene) run(seconds float64) {
	s.t.Helper()
	end := after(seconds)
	for n := 0; ; n++ {
		name, at := "", end
		for q, t := range s.queue {
			if !t.After(at) {
				name, at = q, t
			}
		}
		if name == "" {
			break
		}
		if n > 10000 {
			s.t.Fatalf("it never comes to rest: %v", s.queue)
		}
		delete(s.queue, name)
		if at.After(s.clock) {
			s.clock = at
		}
		res, err := s.Reconcile(s.ctx, requestFor(name))
		if err != nil {
			s.t.Errorf("Reconcile(%s): %v", name, err)
		}
		if res.RequeueAfter > 0 {
			s.AddAfter(requestFor(name), res.RequeueAfter)
		}
	}
	s.clock = end
}

// watch looks twice a second, for so many seconds.
func (s *scene) watch(seconds float64, sets ...multipath.PathSet) {
	s.t.Helper()
	from := s.clock.Sub(noon).Seconds()
	for d := 0.5; d <= seconds; d += 0.5 {
		s.run(from + d)
		s.look(sets...)
	}
	s.run(from + seconds)
}

// pathSet returns what the API has, nil for none.
func (s *scene) pathSet(volumeID string) *v1alpha1.NVMePathSet {
	s.t.Helper()
	var set v1alpha1.NVMePathSet
	err := s.api.store.Get(s.t.Context(), client.ObjectKey{Name: Name(testNode, volumeID)}, &set)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return &set
}

// ready returns the Ready condition as STATUS/REASON.
func ready(set *v1alpha1.NVMePathSet) string {
	c := meta.FindStatusCondition(set.Status.Conditions, v1alpha1.ConditionReady)
	if c == nil {
		return ""
	}
	return fmt.Sprintf("%s/%s", c.Status, c.Reason)
}

// errors returns how many errors were logged.
func (s *scene) errors() int { return strings.Count("\n"+s.log.String(), "\nE") }

// events returns what the API has of them, in the order of their times.
func (s *scene) events() []corev1.Event {
	s.t.Helper()
	var all corev1.EventList
	if err := s.api.store.List(s.t.Context(), &all); err != nil {
		s.t.Fatal(err)
	}
	slices.SortStableFunc(all.Items, func(a, b corev1.Event) int { return a.LastTimestamp.Compare(b.LastTimestamp.Time) })
	return all.Items
}
