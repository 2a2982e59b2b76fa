package remediation

import (
	"slices"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/nvme"
)

// Permit tells whether a step may be done to a path now, whoever wants it: by a
// decision with that step, or one with the reason against it. Of a policy only
// the thresholds matter.
func Permit(p Policy, s Situation, step Step, key string) Decision {
	if s.Set == nil || s.Set.Device.State == multipath.DevicePending {
		return no(key, NotStaged, "the volume is not staged")
	}
	if step == ResetCounters {
		return Decision{Step: step}
	}
	path := s.path(key)
	if path == nil {
		return no(key, NotStaged, "the volume has no path %s", key)
	}
	if !over(s.Attempts) {
		return no(key, InProgress, "another step in the subsystem has not ended")
	}
	fault := p.faultOf(&s, path)
	c := s.controller(path)
	switch {
	case fault == none:
		return no(key, AlreadyFine, "nothing is wrong with %s", key)
	case c == nil:
		return no(key, NoStepFits, "%s has no controller", key)
	case c.Owner != multipath.Owner:
		return no(key, NotOurs, "Braid did not connect %s", c.Name)
	}
	evidence := s.Evidence[c.Name]
	if missing := needs(step, fault, c, evidence); missing != "" {
		return no(key, NoStepFits, "%s: %s", step, missing)
	}
	if s.tried(evidence.Requests) {
		return no(key, SameRequests, "the requests that hang hung before, and a step did not help them")
	}
	alone := func(controller string) bool { return controller == c.Name }
	if head := s.Subsystem.DependsOn(alone, s.usable); head != nil {
		return no(key, LastUsablePath, "%s has no other usable path than %s", head.Name, c.Name)
	}
	return Decision{Step: step, Path: key}
}

// needs says what a step lacks to be of use against a fault; "" for nothing.
func needs(step Step, f fault, c *multipath.Controller, e multipath.Evidence) string {
	switch {
	case step == Rescan && f != nameless,
		step == ResetController && f != nameless && f != restless && f != detoured,
		step == KickConnection && f != silent,
		step == Reconnect && f != connecting,
		step == Bench && f != marginal,
		!slices.Contains(steps, step):
		return "does not help where " + f.String()
	case (step == ResetController || step == Bench) && e.Connections != multipath.Answering:
		return "it is not proved that the connections of " + c.Name + " answer"
	case step == KickConnection && !e.OthersComplete:
		return "it is not proved that another path completes I/O"
	case step == Reconnect && (e.InFlight == nil || *e.InFlight != 0):
		return "it is not proved that nothing is in flight on " + c.Name
	case step != Reconnect && c.State != nvme.StateLive, step == Reconnect && c.State != nvme.StateConnecting:
		return c.Name + " is " + string(c.State) // the snapshot is older
	}
	return ""
}

// usable tells whether I/O can take a path, as far as the kernel and the
// network say.
func (s *Situation) usable(p multipath.HeadPath) bool {
	c := s.Subsystem.Controller(p.Controller)
	return c != nil && nvme.Usable(c.State, p.ANAState) && s.Evidence[c.Name].Connections != multipath.Silent
}
