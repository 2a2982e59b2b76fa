package agent

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/remediation"
)

// overview is what decisions about paths are made of.
type overview struct {
	node     string
	layer    remedies
	policies *policies
	now      func() time.Time

	mu sync.Mutex // guards what follows
	// usable is since when each path of each volume has been usable.
	usable map[string]map[string]time.Time
}

func newOverview(node string, l remedies, p *policies, now func() time.Time) *overview {
	return &overview{node: node, layer: l, policies: p, now: now, usable: map[string]map[string]time.Time{}}
}

// watch takes up which paths can be used. What happens between two looks is the
// ledger's to know.
func (o *overview) watch(snap *multipath.Snapshot) {
	o.mu.Lock()
	defer o.mu.Unlock()
	usable := make(map[string]map[string]time.Time, len(snap.PathSets))
	for i := range snap.PathSets {
		set := &snap.PathSets[i]
		paths := map[string]time.Time{}
		for j := range set.Paths {
			p := &set.Paths[j]
			since, known := o.usable[set.VolumeID][p.Key]
			if !known {
				since = snap.At
			}
			if p.Usable() {
				paths[p.Key] = since
			}
		}
		usable[set.VolumeID] = paths
	}
	o.usable = usable
}

// situation is what is to be known about a path set. asking is the record that
// wants to know, "" for none.
func (o *overview) situation(ctx context.Context, set *multipath.PathSet, sub *multipath.Subsystem, r rules, records []v1alpha1.NVMePathRemediation, asking types.UID) remediation.Situation {
	s := remediation.Situation{
		Now: o.now(), Set: set, Subsystem: sub, Suspended: r.suspended,
		Evidence: o.layer.Evidence(ctx, sub), UsableSince: map[string]time.Time{},
		Attempts: attempts(o.namesakes(set), records, asking),
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for key, since := range o.usable[set.VolumeID] {
		s.UsableSince[key] = since
	}
	return s
}

// namesakes are the path sets on this node, by their names: those of the set's
// subsystem with their volumes, the others with none.
func (o *overview) namesakes(set *multipath.PathSet) map[string]string {
	volumes := map[string]string{}
	snap := o.layer.Snapshot()
	for i := range snap.PathSets {
		one := &snap.PathSets[i]
		name := Name(o.node, one.VolumeID)
		if volumes[name] = ""; one.SubsystemNQN == set.SubsystemNQN {
			volumes[name] = one.VolumeID
		}
	}
	return volumes
}
