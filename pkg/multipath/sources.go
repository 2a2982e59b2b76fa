package multipath

import (
	"context"
	"maps"

	"k8s.io/klog/v2"
)

// learnSources notes from which of the host's addresses the volume's paths left
// when they were first live. Where routing decides, that is all that tells two
// ways out of the host apart: when an interface fails, a path may well come back
// through the one that another path uses.
func (l *Layer) learnSources(ctx context.Context, v *staged, obs *Observation) {
	known := len(v.sources)
	v.sources = withSources(v, obs)
	if len(v.sources) == known {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	have := l.volumes[v.ID]
	if have == nil || have.releasing {
		return
	}
	told := *have
	told.sources = v.sources
	l.volumes[v.ID] = &told
	if err := l.store.save(&told); err != nil {
		klog.FromContext(ctx).Error(err, "It is not on record from where the paths of a volume leave", "volumeID", v.ID)
	}
}

// withSources returns the volume's sources and those that were not known.
func withSources(v *staged, obs *Observation) map[string]string {
	sources := v.sources
	for _, w := range pair(v.expected(), obs.Subsystem(v.SubsystemNQN)) {
		if !w.expected || w.controller == nil || w.controller.SrcAddr == "" || sources[w.address.String()] != "" {
			continue
		}
		if len(sources) == len(v.sources) {
			sources = maps.Clone(v.sources)
		}
		if sources == nil {
			sources = map[string]string{}
		}
		sources[w.address.String()] = w.controller.SrcAddr
	}
	return sources
}
