package native

import (
	"context"
	"sync"
	"time"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/stall"
)

// stalls is the engine's use of what observations say one after the other. The
// zero value is ready.
type stalls struct {
	mu    sync.Mutex // guards what follows
	watch stall.Watch
	last  time.Time
}

// see takes note of an observation, unless a newer one was quicker.
func (s *stalls) see(obs *multipath.Observation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if obs.At.Before(s.last) {
		return
	}
	s.last = obs.At
	s.watch.See(obs)
}

// Examine returns what is known of a subsystem's controllers, by their names, as
// of the last observation.
func (e *Engine) Examine(_ context.Context, s *multipath.Subsystem) (map[string]multipath.Evidence, error) {
	e.stalls.mu.Lock()
	defer e.stalls.mu.Unlock()
	return e.stalls.watch.Evidence(s), nil
}
