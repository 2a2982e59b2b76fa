package remediation

import (
	"slices"
	"time"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
)

// aftermath is for how long what happens to a path may be a step's own doing:
// what comes within it is one episode for the ledger.
const aftermath = ledger.DefaultQuietTime

// Next says what a node should do by itself about a path set.
func Next(p Policy, s Situation) Decision {
	switch {
	case s.Set == nil || s.Set.Device.State == multipath.DevicePending:
		return no("", NotStaged, "the volume is not staged")
	case len(p.Steps) == 0:
		return no("", NoSteps, "the policy has no steps")
	case s.Suspended.All:
		return no("", Suspended, "the policy is suspended")
	case !over(s.Attempts):
		return no("", InProgress, "another step in the subsystem has not ended")
	}
	fine := true
	var first Decision
	for i := range s.Set.Paths {
		path := &s.Set.Paths[i]
		if !path.Expected {
			continue
		}
		d := p.mend(&s, path)
		switch {
		case d.Step != "":
			return d
		case d.Reason != AlreadyFine && fine:
			fine, first = false, d
		}
	}
	if !fine {
		return first
	}
	return p.conclude(&s)
}

// mend says what to do about one path.
func (p Policy) mend(s *Situation, path *multipath.Path) Decision {
	fault := p.faultOf(s, path)
	switch {
	case fault == none, fault == marginal && !slices.Contains(p.Steps, Bench):
		return no(path.Key, AlreadyFine, "nothing is wrong with %s", path.Key)
	case s.Suspended.covers(path):
		return no(path.Key, Suspended, "the policy is suspended for %s", path.Key)
	case fault == elsewhere, fault == detoured:
		return no(path.Key, NoStepFits, "%s: %s", path.Key, fault)
	}
	attempts := s.of(path.Key, s.Now.Add(-p.Window))
	if d := p.wait(s, path, fault, attempts); d.Reason != "" {
		return d
	}
	var against Decision
	for _, step := range p.untriedFirst(attempts) {
		if step == ResetCounters {
			continue
		}
		d := Permit(p, *s, step, path.Key)
		if d.Step != "" {
			return d
		}
		if against.Reason == "" || against.Reason == NoStepFits { // which says the least
			against = d
		}
	}
	if against.Reason == "" {
		return no(path.Key, NoStepFits, "%s: %s, and the policy has no step for that", path.Key, fault)
	}
	return against
}

// wait says why it is too soon, or too late, for anything about a path.
func (p Policy) wait(s *Situation, path *multipath.Path, fault fault, attempts []Attempt) Decision {
	happened := latest(path)
	if n := len(attempts); n > 0 {
		ended := attempts[n-1].Ended
		if fault == restless && !happened.After(ended.Add(aftermath)) {
			if Verify(p, *s, path.Key, ended).Reason == Over {
				return no(path.Key, AlreadyFine, "the last step has helped %s", path.Key)
			}
			return no(path.Key, Stabilizing, "%s has been quiet since the last step", path.Key)
		}
		if n >= p.Attempts {
			return no(path.Key, AttemptsExhausted, "%s: %s, and what was tried has not helped", path.Key, fault).
				until(attempts[n-p.Attempts].Ended.Add(p.Window))
		}
		if at := ended.Add(p.backOff(n)); s.Now.Before(at) {
			return no(path.Key, BackOff, "%s: %s; it is too soon for the next step", path.Key, fault).until(at)
		}
	}
	// The kernel connects by itself; most often that is all it takes.
	if at := path.Record.LastEvent.Add(p.BackOff); fault == connecting && s.Now.Before(at) {
		return no(path.Key, BackOff, "%s: the kernel is connecting it", path.Key).until(at)
	}
	return Decision{}
}

// untriedFirst are the policy's steps, those that were tried behind the others.
func (p Policy) untriedFirst(attempts []Attempt) []Step {
	var fresh, again []Step
	for _, step := range p.Steps {
		if slices.ContainsFunc(attempts, func(a Attempt) bool { return a.Step == step }) {
			again = append(again, step)
		} else {
			fresh = append(fresh, step)
		}
	}
	return append(fresh, again...)
}

// conclude says whether counters are to be reset, where nothing is wrong.
func (p Policy) conclude(s *Situation) Decision {
	var happened, quiet time.Time
	for i := range s.Set.Paths {
		path := &s.Set.Paths[i]
		if s.Suspended.covers(path) {
			return no(path.Key, Suspended, "the policy is suspended for %s", path.Key)
		}
		happened = later(happened, latest(path))
		if !path.Expected {
			continue
		}
		since, known := s.UsableSince[path.Key]
		if !known {
			since = s.Now
		}
		quiet = later(quiet, since)
	}
	quiet = later(quiet, happened)
	reset := s.Set.LastReset
	if !slices.Contains(p.Steps, ResetCounters) || happened.IsZero() || reset != nil && !happened.After(reset.At) {
		return no("", AlreadyFine, "nothing is wrong with any path")
	}
	if at := quiet.Add(p.Stabilization); s.Now.Before(at) {
		return no("", Stabilizing, "every path is usable, but not for long enough").until(at)
	}
	attempts := s.of(s.Set.VolumeID, s.Now.Add(-p.Window))
	if n := len(attempts); n >= p.Attempts {
		return no("", AttemptsExhausted, "counters were reset too often of late").until(attempts[n-p.Attempts].Ended.Add(p.Window))
	} else if n > 0 {
		if at := attempts[n-1].Ended.Add(p.backOff(n)); s.Now.Before(at) {
			return no("", BackOff, "it is too soon to reset counters again").until(at)
		}
	}
	return Permit(p, *s, ResetCounters, "")
}

// latest is when something last happened to a path or its controller.
func latest(path *multipath.Path) time.Time {
	return later(path.Record.LastEvent, path.ControllerRecord.LastEvent)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
