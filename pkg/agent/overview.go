package agent

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/remediation"
)

// overview is what decisions about paths are made of.
type overview struct {
	node     string
	layer    remedies
	policies *policies
	// marginal returns the keys of a volume's paths that are much worse than others.
	marginal func(volumeID string) []string
	now      func() time.Time

	mu sync.Mutex // guards what follows
	// usable is since when each path of each volume has been usable.
	usable map[string]map[string]time.Time
	// places are the path sets of this node, by their names.
	places map[string]place
}

// place is what a path set is of.
type place struct {
	volume    string
	subsystem nvme.NQN
}

func newOverview(node string, l remedies, p *policies, marginal func(string) []string, now func() time.Time) *overview {
	return &overview{node: node, layer: l, policies: p, marginal: marginal, now: now, usable: map[string]map[string]time.Time{}}
}

// watch takes up which paths can be used. What happens between two looks is the
// ledger's to know.
func (o *overview) watch(snap *multipath.Snapshot) {
	o.mu.Lock()
	defer o.mu.Unlock()
	usable := make(map[string]map[string]time.Time, len(snap.PathSets))
	o.places = make(map[string]place, len(snap.PathSets))
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
		o.places[Name(o.node, set.VolumeID)] = place{set.VolumeID, set.SubsystemNQN}
	}
	o.usable = usable
}

// situation is what is to be known about a path set, in whose subsystem these
// attempts were made.
func (o *overview) situation(ctx context.Context, set *multipath.PathSet, sub *multipath.Subsystem, r rules, tried []remediation.Attempt) remediation.Situation {
	s := remediation.Situation{
		Now: o.now(), Set: set, Subsystem: sub, Suspended: r.suspended,
		Evidence: o.layer.Evidence(ctx, sub), UsableSince: map[string]time.Time{},
		Marginal: o.marginal(set.VolumeID), Attempts: tried,
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for key, since := range o.usable[set.VolumeID] {
		s.UsableSince[key] = since
	}
	return s
}

// record is a remediation, with the volume that it is about; "" if that has left
// the node.
type record struct {
	*v1alpha1.NVMePathRemediation
	volume string
}

// file is what is on record about a subsystem.
type file struct {
	records []record
	// open are those that are not over, and tried all steps that were begun.
	open  []record
	tried []remediation.Attempt
}

// files are made when they are asked for, once.
type files struct {
	of map[nvme.NQN][]record
	// left are about volumes that have left the node: they may have been of any
	// subsystem.
	left []record
	made map[nvme.NQN]*file
}

// sort sorts remediations by the subsystems of their volumes.
func (o *overview) sort(all []v1alpha1.NVMePathRemediation) *files {
	o.mu.Lock()
	defer o.mu.Unlock()
	f := &files{of: map[nvme.NQN][]record{}, made: map[nvme.NQN]*file{}}
	for i := range all {
		one := &all[i]
		if p, staged := o.places[one.Spec.PathSet]; staged {
			f.of[p.subsystem] = append(f.of[p.subsystem], record{one, p.volume})
		} else {
			f.left = append(f.left, record{one, ""})
		}
	}
	return f
}

// about returns a subsystem's file.
func (f *files) about(nqn nvme.NQN) *file {
	made := f.made[nqn]
	if made == nil {
		made = &file{records: slices.Concat(f.of[nqn], f.left)}
		made.tried = attempts(made.records, "")
		for _, r := range made.records {
			if !over(r.NVMePathRemediation) {
				made.open = append(made.open, r)
			}
		}
		f.made[nqn] = made
	}
	return made
}
