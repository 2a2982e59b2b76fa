package agent

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/multipath"
)

// factsAge is how old may be what is known of a PersistentVolume. They are asked
// for by name: a watch would be of the whole cluster's.
const factsAge = time.Minute

// readVolumes asks for the PersistentVolumes of this node's path sets, where a
// policy wants to know and what is known is too old. Of one that is gone, nothing
// is known.
func (p *policies) readVolumes(ctx context.Context, api client.Reader, snap *multipath.Snapshot, now time.Time) error {
	for _, name := range p.outdated(snap, now) {
		var pv corev1.PersistentVolume
		err := request(ctx, func(ctx context.Context) error { return api.Get(ctx, client.ObjectKey{Name: name}, &pv) })
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
		p.mu.Lock()
		if p.volumes[name] = (volumeFacts{class: pv.Spec.StorageClassName, labels: pv.Labels, read: now}); err != nil {
			delete(p.volumes, name)
		}
		p.mu.Unlock()
	}
	return nil
}

// outdated are the PersistentVolumes to ask for. What is known of those that have
// left is forgotten.
func (p *policies) outdated(snap *multipath.Snapshot, now time.Time) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	wanted := false
	for _, one := range p.byName {
		wanted = wanted || asksForVolume(one.Spec.Selector)
	}
	facts := map[string]volumeFacts{}
	var all []string
	for i := range snap.PathSets {
		name := snap.PathSets[i].Origin.PersistentVolume
		have, ok := p.volumes[name]
		if ok {
			facts[name] = have
		}
		if wanted && name != "" && (!ok || now.Sub(have.read) >= factsAge) {
			all = append(all, name)
		}
	}
	p.volumes = facts
	return all
}

// take takes up what there is of policies.
func (p *policies) take(all []v1alpha1.NVMePathPolicy) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard, p.byName = true, make(map[string]*v1alpha1.NVMePathPolicy, len(all))
	for i := range all {
		p.byName[all[i].Name] = &all[i]
	}
}
