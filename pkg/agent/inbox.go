package agent

import (
	"slices"
	"sync"

	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
)

// observation is a snapshot with what health made of it.
type observation struct {
	*multipath.Snapshot
	findings [][]health.Finding // of each path set
	tasks    tasks              // of maintenance
	number   uint64
}

// maxWaiting is how many observations are kept for a reporter that cannot go
// on yet.
const maxWaiting = 64

// inbox keeps the observations that were not looked at yet. While the API
// server is away at the start, when nobody knows what it says already, that
// may be many: then only the first and the last of those are kept that tell
// the same story, so that what happened meanwhile is known with its times.
type inbox struct {
	wake chan struct{} // has something once there is something to take

	mu      sync.Mutex
	waiting []observation
	number  uint64
}

// put adds an observation. It waits for nobody.
func (b *inbox) put(o observation) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.number++
	o.number = b.number
	if n := len(b.waiting); n >= 2 && sameStory(b.waiting[n-2], b.waiting[n-1]) && sameStory(b.waiting[n-1], o) || n == maxWaiting {
		b.waiting[n-1] = o
	} else {
		b.waiting = append(b.waiting, o)
	}
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take returns what is there, oldest first, and leaves nothing.
func (b *inbox) take() []observation {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.waiting
	b.waiting = nil
	return all
}

// last returns the number of the newest observation.
func (b *inbox) last() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.number
}

// sameStory tells whether nothing happened between two observations that
// conditions or events tell of.
func sameStory(a, b observation) bool {
	if len(a.PathSets) != len(b.PathSets) {
		return false
	}
	for i := range a.PathSets {
		x, y := &a.PathSets[i], &b.PathSets[i]
		same := x.VolumeID == y.VolumeID && x.Device.State == y.Device.State && missing(x) == missing(y) &&
			(x.LastReset == nil) == (y.LastReset == nil) && (x.LastReset == nil || x.LastReset.ID == y.LastReset.ID) &&
			slices.Equal(reasonsOf(a.findings[i]), reasonsOf(b.findings[i]))
		if !same {
			return false
		}
	}
	return true
}
