package agent

import (
	"context"
	"hash/fnv"
	"sync"
	"time"

	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
)

// atOnce is how many path sets may change their state in one observation and
// all be written at once; more are spread, so many each second.
const atOnce = 50

// queue is where the names of path sets go that need a look.
type queue interface {
	AddAfter(reconcile.Request, time.Duration)
}

// reporter keeps what the API says of this node's path sets in step with what
// the layer sees. What to write it decides here, from snapshots; the writing
// is in write.go.
type reporter struct {
	node, engine string
	findings     func(volumeID string) ([]health.Finding, bool)
	told         func(volumeID string, found ...health.Finding)
	maintainer   *maintainer
	api          client.Client
	owner        *owner
	// inUse tells whether somebody uses the volume on the node, though it is
	// not staged.
	inUse func(context.Context, v1alpha1.NVMePathSetSpec) (bool, error)
	now   func() time.Time
	inbox inbox

	mu      sync.Mutex // guards what follows
	loaded  bool       // what the API had at the start is known
	entries map[string]*entry
	seen    uint64        // the number of the latest observation in entries
	moved   chan struct{} // closed and replaced whenever something here changes
	queue   queue         // nil until the writer runs
	outage  outage
	refusal refusals
}

func newReporter(c Config, api client.Client, o *owner, m *maintainer) *reporter {
	return &reporter{
		node: c.Node, engine: c.Engine, findings: c.Findings, told: c.Told, maintainer: m, api: api, owner: o, now: c.Clock,
		inbox:   inbox{wake: make(chan struct{}, 1)},
		entries: map[string]*entry{}, moved: make(chan struct{}), refusal: refusals{},
	}
}

// publish takes a snapshot. It waits for nobody.
func (r *reporter) publish(snap *multipath.Snapshot) {
	o := observation{Snapshot: snap, findings: make([][]health.Finding, len(snap.PathSets)), tasks: r.maintainer.asked()}
	for i := range snap.PathSets {
		found, _ := r.findings(snap.PathSets[i].VolumeID)
		o.findings[i] = health.Guard(found)
	}
	r.inbox.put(o)
}

// run looks at observations until ctx ends.
func (r *reporter) run(ctx context.Context) {
	for {
		var again <-chan time.Time
		if wait := r.load(ctx); wait == 0 {
			r.lookThrough()
		} else {
			again = time.After(wait)
		}
		select {
		case <-r.inbox.wake:
		case <-again:
		case <-ctx.Done():
			return
		}
	}
}

// lookThrough takes up the observations that have come.
func (r *reporter) lookThrough() {
	for _, o := range r.inbox.take() {
		r.see(o)
	}
}

// see takes up one observation.
func (r *reporter) see(o observation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	staged := make(map[string]bool, len(o.PathSets))
	for i := range o.PathSets {
		set := &o.PathSets[i]
		name := Name(r.node, set.VolumeID)
		staged[name] = true
		e := r.entry(name)
		e.see(r.node, r.engine, set, e.with(o.findings[i]), o.At)
		o.tasks.note(&e.want.status, set)
	}
	for name, e := range r.entries {
		if !staged[name] {
			e.gone()
		}
		if e.want == nil && e.presence == absent {
			delete(r.entries, name)
		}
	}
	r.seen = o.number
	r.spread()
	for _, e := range r.entries {
		r.schedule(e)
	}
	r.broadcast()
}

func (r *reporter) entry(name string) *entry {
	e := r.entries[name]
	if e == nil {
		e = newEntry(name)
		r.entries[name] = e
	}
	return e
}

// spread puts off some of the path sets whose state changed if very many did,
// as when a port goes that all of them share.
func (r *reporter) spread() {
	now := r.now()
	var all []*entry
	for _, e := range r.entries {
		if e.want != nil && !e.differs() && e.notBefore.Before(now) && changed(&e.have.status, &e.want.status) == state {
			all = append(all, e)
		}
	}
	if len(all) <= atOnce {
		return
	}
	window := time.Duration(len(all)) * time.Second / atOnce
	for _, e := range all {
		h := fnv.New64a()
		_, _ = h.Write([]byte(e.name))
		e.notBefore = now.Add(time.Duration(h.Sum64() % uint64(window)))
	}
}

// schedule asks for a look at a path set when there is something to do.
func (r *reporter) schedule(e *entry) {
	now := r.now()
	at, ok := e.due(now)
	if !ok || r.queue == nil || !e.scheduled.IsZero() && !at.Before(e.scheduled) {
		return
	}
	e.scheduled = at
	r.queue.AddAfter(requestFor(e.name), at.Sub(now))
}

// attach gives the reporter the queue of a writer that begins to run.
func (r *reporter) attach(q queue) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = q
	for _, e := range r.entries {
		e.scheduled = time.Time{}
		r.schedule(e)
	}
}

// add has something told about a path set, if the API has it.
func (r *reporter) add(pathSet string, h happening) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries[pathSet]
	if e == nil || e.want == nil || !e.tells.AllowN(h.at, 1) {
		return
	}
	e.untold = append(e.untold, h)
	e.untold = e.untold[max(0, len(e.untold)-maxUntold):]
	r.schedule(e)
}

// broadcast wakes those who wait for something here to change. Called with the
// lock held.
func (r *reporter) broadcast() {
	close(r.moved)
	r.moved = make(chan struct{})
}

// lost notes that somebody deleted a path set. If its volume is staged it is
// made anew, and belongs to whichever Node there is now.
func (r *reporter) lost(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries[name]
	if e == nil || e.presence != present {
		return // it was us
	}
	e.presence, e.have, e.heard = absent, content{}, nil
	r.owner.forget()
	r.schedule(e)
	r.broadcast()
}

// load reads what the API has of this node, once: conditions go on from there,
// and what belongs to no staged volume is removed. It returns how long to wait
// before it is tried again, 0 once it is done.
func (r *reporter) load(ctx context.Context) time.Duration {
	r.mu.Lock()
	loaded, wait := r.loaded, r.outage.wait(r.now())
	r.mu.Unlock()
	switch {
	case loaded:
		return 0
	case wait > 0:
		return wait
	}
	sets, err := r.list(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		return r.outage.began(ctx, err, r.now())
	}
	r.outage.over(ctx, r.now())
	for i := range sets {
		s := &sets[i]
		e := r.entry(s.Name)
		e.heard = heard(s)
		s.Status.Conditions = ours(s.Status.Conditions)
		e.have, e.presence, e.uid, e.orphan = content{s.Spec, s.Status}, present, s.UID, true
	}
	r.loaded = true
	klog.FromContext(ctx).Info("Reporting to the API", "node", r.node, "pathSets", len(sets))
	return 0
}
