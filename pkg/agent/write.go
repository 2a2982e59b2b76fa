package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
)

const (
	// requestTimeout bounds one request to the API server.
	requestTimeout = 10 * time.Second
	// orphanInterval is how often an orphan that is in use is looked at.
	orphanInterval = 30 * time.Second
)

func requestFor(name string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Name: name}}
}

// job is one try to bring a path set in step: what to write, of which nothing
// changes while it is written, and what came of it.
type job struct {
	name         string
	uid          types.UID
	want         *content // nil: delete it
	orphan       v1alpha1.NVMePathSetSpec
	spec, status bool   // what of it to apply, and then what of it was
	change       change // of the status
	untold       []happening

	told int
	err  error
}

// Reconcile does what is due for a path set. It returns no errors: what is to
// be tried again says when, so that an API server that is away costs a few
// requests and not a few for each path set.
func (r *reporter) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	j, wait := r.begin(req.Name)
	if j == nil {
		return reconcile.Result{RequeueAfter: wait}, nil
	}
	if j.want == nil {
		r.remove(ctx, j)
	} else {
		r.apply(ctx, j)
	}
	return reconcile.Result{RequeueAfter: r.end(ctx, j)}, nil
}

// begin returns the job that is due for a path set, or else when to come back,
// 0 for never.
func (r *reporter) begin(name string) (*job, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, now := r.entries[name], r.now()
	if e == nil {
		return nil, 0
	}
	e.scheduled = time.Time{}
	at, ok := e.due(now)
	if !ok {
		return nil, 0
	}
	if wait := max(at.Sub(now), r.outage.wait(now)); wait > 0 {
		e.scheduled = now.Add(wait)
		return nil, wait
	}
	j := &job{name: name, uid: e.uid, want: e.want, untold: slices.Clone(e.untold)}
	if e.want == nil {
		if e.orphan {
			j.orphan = e.have.spec
		}
		e.presence = unsure
		return j, 0
	}
	if j.spec = e.differs(); j.spec && e.presence == absent {
		e.presence, e.have = unsure, content{}
	}
	j.change = changed(&e.have.status, &e.want.status)
	j.status = j.change != nothing
	return j, 0
}

// apply writes what the job has: the path set, its status, and then what there
// is to tell. It stops at the first failure.
func (r *reporter) apply(ctx context.Context, j *job) {
	spec, status := j.spec, j.status
	j.spec, j.status = false, false
	if spec {
		if j.err = r.applySpec(ctx, j); j.err != nil {
			return
		}
		j.spec = true
	}
	if status {
		if j.err = r.applyStatus(ctx, j); j.err != nil {
			return
		}
		j.status = true
	}
	for _, h := range j.untold {
		if j.err = r.tell(ctx, j, h); j.err != nil {
			return
		}
		j.told++
	}
}

func (r *reporter) applySpec(ctx context.Context, j *job) error {
	uid, err := r.owner.get(ctx)
	if err != nil {
		return err
	}
	ac, err := pathSetSpec(j.name, j.want.spec, r.node, uid)
	if err != nil {
		return err
	}
	if err := request(ctx, func(ctx context.Context) error {
		return r.api.Apply(ctx, ac, fieldManager, client.ForceOwnership)
	}); err != nil {
		return fmt.Errorf("path set %s: %w", j.name, err)
	}
	j.uid = ptr.Deref(ac.UID, "")
	return nil
}

func (r *reporter) applyStatus(ctx context.Context, j *job) error {
	ac, err := pathSetStatus(j.name, j.want.status)
	if err != nil {
		return err
	}
	err = request(ctx, func(ctx context.Context) error {
		return r.api.Status().Apply(ctx, ac, fieldManager, client.ForceOwnership)
	})
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("status of path set %s: %w", j.name, errLost)
	case err != nil:
		return fmt.Errorf("status of path set %s: %w", j.name, err)
	}
	return nil
}

// tell writes the events of one happening. An answer other than silence ends
// it: an event that is refused is not worth holding anything up.
func (r *reporter) tell(ctx context.Context, j *job, h happening) error {
	for _, on := range subjects(j.name, j.uid, j.want.spec.ClaimRef) {
		err := request(ctx, func(ctx context.Context) error { return r.api.Create(ctx, h.event(r.node, j.name, on)) })
		switch {
		case err == nil || apierrors.IsAlreadyExists(err):
		case away(err):
			return fmt.Errorf("event on %s %s: %w", on.Kind, on.Name, err)
		default:
			r.mu.Lock()
			r.refusal.log(ctx, err, r.now(), "An event was refused", "kind", on.Kind, "name", on.Name, "reason", h.reason)
			r.mu.Unlock()
		}
	}
	return nil
}

var (
	// errLost: somebody has deleted the path set.
	errLost = errors.New("the path set is gone")
	// errInUse keeps an orphan: somebody uses the volume, though nothing on the
	// node says that it is staged, and whoever reads the API must not take it
	// for free.
	errInUse = errors.New("the volume is in use on the node, though it is not staged")
)

// remove deletes a path set.
func (r *reporter) remove(ctx context.Context, j *job) {
	if j.orphan.VolumeHandle != "" {
		used, err := r.inUse(ctx, j.orphan)
		if err != nil || used {
			j.err = errors.Join(errInUse, err)
			return
		}
	}
	err := request(ctx, func(ctx context.Context) error {
		return r.api.Delete(ctx, &v1alpha1.NVMePathSet{ObjectMeta: metav1.ObjectMeta{Name: j.name}})
	})
	if err = client.IgnoreNotFound(err); err != nil {
		j.err = fmt.Errorf("delete path set %s: %w", j.name, err)
	}
}

// end takes up what came of a job, and returns when to come back, 0 for never.
func (r *reporter) end(ctx context.Context, j *job) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.broadcast()
	e, now := r.entries[j.name], r.now()
	e.did(j, now)
	switch {
	case j.err == nil:
		r.outage.over(ctx, now)
	case ctx.Err() != nil:
		return 0 // the next run finds out
	case errors.Is(j.err, errInUse):
		e.presence, e.retryAt = present, now.Add(orphanInterval)
		r.refusal.log(ctx, j.err, now, "A path set stays", "pathSet", j.name)
	case errors.Is(j.err, errLost):
		e.presence, e.have = absent, content{}
		r.owner.forget()
	case away(j.err):
		r.outage.began(ctx, j.err, now)
	default:
		r.outage.over(ctx, now)
		e.refused(j.err, now)
		r.refusal.log(ctx, j.err, now, "The API server refuses a path set", "pathSet", j.name)
	}
	at, ok := e.due(now)
	if !ok {
		if e.want == nil {
			delete(r.entries, e.name)
		}
		return 0
	}
	wait := max(at.Sub(now), r.outage.wait(now), time.Nanosecond)
	e.scheduled = now.Add(wait)
	return wait
}

// request makes one request, for a limited time.
func request(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return ask(ctx)
}

// list returns the path sets of this node that the API has.
func (r *reporter) list(ctx context.Context) ([]v1alpha1.NVMePathSet, error) {
	var all v1alpha1.NVMePathSetList
	err := request(ctx, func(ctx context.Context) error {
		return r.api.List(ctx, &all, client.MatchingFields{"spec.nodeName": r.node})
	})
	return all.Items, err
}
