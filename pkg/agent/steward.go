package agent

import (
	"context"
	"fmt"
	"maps"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/remediation"
)

// roundInterval is the longest time between two looks at what is to be done.
const roundInterval = time.Second

// steward decides what this node does about its paths by itself, and asks for it
// as people do: by a remediation, which the executor carries out.
//
//	policies, snapshot, evidence, records --> remediation.Next --> a step?
//	     ^                                                            |
//	     |  once more, with records that the API server has now      yes
//	     +------------------------------------------------------------+
//	                                                                  v
//	                               executor <-- watch <-- NVMePathRemediation
//
// Without an API server nothing is asked for, and nothing is done: what is not on
// record does not happen.
type steward struct {
	*overview
	api client.Client
	// heard is the cache of what is watched.
	heard client.Reader
	tell  func(pathSet string, h happening)

	user string // by which the API server knows this node; empty: to be asked
	// against is why nothing was done about each path set, as it was told last.
	against map[string]remediation.Decision
	swept   time.Time
}

func newSteward(o *overview, api client.Client, heard client.Reader, tell func(string, happening)) *steward {
	return &steward{overview: o, api: api, heard: heard, tell: tell, against: map[string]remediation.Decision{}}
}

// run makes its rounds until ctx ends, with each snapshot: while requests hang,
// they come quickly. After an error it waits for the interval, so that an API server
// which refuses is asked no more often.
func (w *steward) run(ctx context.Context, snapshots <-chan struct{}) error {
	for {
		next := snapshots
		if err := w.round(ctx); err != nil && ctx.Err() == nil {
			klog.FromContext(ctx).V(2).Info("Nothing is done about paths now", "reason", err)
			next = nil
		}
		select {
		case <-next:
		case <-time.After(roundInterval):
		case <-ctx.Done():
			return nil
		}
	}
}

// round looks at each path set once. A first thing that is wrong with the API
// server ends it.
func (w *steward) round(ctx context.Context) error {
	snap := w.layer.Snapshot()
	if snap == nil {
		return nil
	}
	w.watch(snap)
	maps.DeleteFunc(w.against, func(id string, _ remediation.Decision) bool { return snap.PathSet(id) == nil })
	if err := w.policies.readVolumes(ctx, w.api, snap, w.now()); err != nil {
		return err
	}
	var heard v1alpha1.NVMePathRemediationList
	if err := w.heard.List(ctx, &heard); err != nil {
		return err
	}
	sorted := w.sort(heard.Items)
	for i := range snap.PathSets {
		set := &snap.PathSets[i]
		r, known := w.policies.forSet(set)
		if !known || len(r.remediation.Steps) == 0 {
			continue
		}
		if err := w.mind(ctx, set, r, sorted.about(set.SubsystemNQN)); err != nil {
			return fmt.Errorf("path set %s: %w", Name(w.node, set.VolumeID), err)
		}
	}
	return w.sweep(ctx, snap, heard.Items)
}

// mind asks for what is to be done about a path set, if anything is.
func (w *steward) mind(ctx context.Context, set *multipath.PathSet, r rules, heard *file) error {
	s := w.situation(ctx, set, w.layer.Subsystem(set.SubsystemNQN), r, heard.tried)
	if d := next(r, s, heard); d.Step == "" {
		w.say(ctx, set, r, d)
		// If too little is known of a path on which requests hang, more is found out.
		if path := remediation.Doubtful(r.remediation, s); path != "" {
			return w.layer.Prove(ctx, set.VolumeID, path)
		}
		return nil
	}
	var now v1alpha1.NVMePathRemediationList
	err := request(ctx, func(ctx context.Context) error {
		return w.api.List(ctx, &now, client.MatchingFields{"spec.nodeName": w.node})
	})
	if err != nil {
		return err
	}
	all := w.sort(now.Items).about(set.SubsystemNQN)
	d := next(r, w.situation(ctx, set, w.layer.Subsystem(set.SubsystemNQN), r, all.tried), all)
	w.say(ctx, set, r, d)
	if d.Step == "" {
		return nil
	}
	return w.ask(ctx, set, r, d, all.records)
}

// next is what is to be done about a path set, or why nothing is. What is asked
// for but was not begun is waited for, and so is the end of another record about
// the same.
func next(r rules, s remediation.Situation, f *file) remediation.Decision {
	for _, one := range f.open {
		if waiting(one.NVMePathRemediation) {
			return remediation.Decision{Reason: remediation.InProgress, Message: one.Name + " was not begun yet"}
		}
	}
	d := remediation.Next(r.remediation, s)
	for _, one := range f.open {
		if one.volume == s.Set.VolumeID && d.Step == remediation.ResetCounters || one.Spec.Path == d.Path && d.Path != "" {
			return remediation.Decision{Path: d.Path, Reason: remediation.InProgress, Message: one.Name + " is not over yet"}
		}
	}
	return d
}

// ask makes a remediation of a decision. Its name is made of what led to it, so
// that asking twice is asking once.
func (w *steward) ask(ctx context.Context, set *multipath.PathSet, r rules, d remediation.Decision, records []record) error {
	user, err := w.whoami(ctx)
	if err != nil {
		return err
	}
	name := Name(w.node, set.VolumeID)
	one := &v1alpha1.NVMePathRemediation{
		ObjectMeta: metav1.ObjectMeta{Name: name + "-" + hash(string(d.Step), d.Path, lastOf(name, records))},
		Spec: v1alpha1.NVMePathRemediationSpec{
			NodeName: w.node, PathSet: name, Path: d.Path, Actions: actions(r, d.Step),
			Reason: line(because(set, d), maxReason), RequestedBy: user, PolicyName: r.name,
		},
	}
	err = request(ctx, func(ctx context.Context) error { return w.api.Create(ctx, one) })
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	klog.FromContext(ctx).Info("Remediation asked for", "remediation", one.Name, "pathSet", name, "policy", r.name, "step", d.Step, "path", d.Path)
	if d.Path != "" {
		w.tell(name, happening{w.now(), false, reasonRemediating, fmt.Sprintf("%s by policy %s: %s (%s)", d.Step, r.name, one.Spec.Reason, one.Name)})
	}
	return nil
}

// whoami returns the user name by which the API server knows this node's agent.
func (w *steward) whoami(ctx context.Context) (string, error) {
	if w.user != "" {
		return w.user, nil
	}
	var self authenticationv1.SelfSubjectReview
	if err := request(ctx, func(ctx context.Context) error { return w.api.Create(ctx, &self) }); err != nil {
		return "", fmt.Errorf("asking the API server for one's own name: %w", err)
	}
	w.user = self.Status.UserInfo.Username
	return w.user, nil
}
