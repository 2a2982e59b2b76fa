package remediation

import (
	"time"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/nvme"
)

// Situation is all that a decision is made of, seen at one moment.
type Situation struct {
	Now time.Time
	// Set is the path set, nil if it is not on the node.
	Set *multipath.PathSet
	// Subsystem is all that this node has of the set's subsystem, whosever it
	// is; nil if there is nothing.
	Subsystem *multipath.Subsystem
	// Evidence is what is known of controllers beyond that, by name. Of one
	// that is absent nothing is known.
	Evidence map[string]multipath.Evidence
	// UsableSince is since when each path, by its key, has been usable without
	// a break; of one that is absent it is not known.
	UsableSince map[string]time.Time
	// Marginal are the keys of those paths that were much worse than the others of
	// late.
	Marginal []string
	// Attempts are the steps that were begun in this subsystem, for whichever of
	// its volumes, oldest first. They must reach back for the policy's Window.
	Attempts []Attempt
	// Suspended are those addresses about which nothing is to be done unasked,
	// All if it is every one.
	Suspended Suspension
}

// Suspension keeps a node from acting by itself.
type Suspension struct {
	All       bool
	Addresses []nvme.TransportID
}

// covers tells whether a path is to be left alone. One that is under maintenance
// is in the hands of those who work on it.
func (s Suspension) covers(p *multipath.Path) bool {
	if p.Maintenance != nil {
		return true
	}
	for _, a := range s.Addresses {
		if a.Reaches(p.Address) {
			return true
		}
	}
	return s.All
}

// Attempt is a step that was begun.
type Attempt struct {
	Step Step
	// Path is the key of the path whose controller it was about; for
	// ResetCounters the volume.
	Path string
	// Requests are the evidence's at its beginning.
	Requests string
	Began    time.Time
	// Ended is when it was over, zero while it is not or nobody knows.
	Ended time.Time
}

// over tells whether every attempt has ended.
func over(attempts []Attempt) bool {
	for _, a := range attempts {
		if a.Ended.IsZero() {
			return false
		}
	}
	return true
}

// of are the attempts on a path's controller that ended after a moment.
func (s *Situation) of(path string, after time.Time) []Attempt {
	var mine []Attempt
	for _, a := range s.Attempts {
		if a.Path == path && a.Ended.After(after) {
			mine = append(mine, a)
		}
	}
	return mine
}

// tried tells whether a step was taken for these requests before.
func (s *Situation) tried(requests string) bool {
	for _, a := range s.Attempts {
		if requests != "" && a.Requests == requests {
			return true
		}
	}
	return false
}

// path returns the path with that key, or nil.
func (s *Situation) path(key string) *multipath.Path {
	if s.Set == nil {
		return nil
	}
	for i := range s.Set.Paths {
		if s.Set.Paths[i].Key == key {
			return &s.Set.Paths[i]
		}
	}
	return nil
}

// controller returns the controller of a path, or nil.
func (s *Situation) controller(p *multipath.Path) *multipath.Controller {
	if s.Subsystem == nil || p.Controller == "" {
		return nil
	}
	return s.Subsystem.Controller(p.Controller)
}
