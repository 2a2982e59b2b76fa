package remediation

import "time"

// Verify tells what has become of a path since a step that ended at a moment:
// Over, once it has been usable and quiet for the stabilisation time;
// FaultPersists, where something is wrong with it when the next step would be
// due; and Stabilizing before either is known.
func Verify(p Policy, s Situation, key string, ended time.Time) Decision {
	path := s.path(key)
	if path == nil {
		return no(key, NotStaged, "the volume has no path %s", key)
	}
	if !path.BenchedUntil.IsZero() {
		return no(key, Over, "%s is out of use until %s", key, path.BenchedUntil.UTC().Format(time.TimeOnly))
	}
	fault := p.faultOf(&s, path)
	quiet := !latest(path).After(ended.Add(aftermath))
	if fault == none || fault == marginal || fault == restless && quiet {
		since, known := s.UsableSince[key]
		if !known {
			since = s.Now
		}
		at := later(since, later(ended, latest(path))).Add(p.Stabilization)
		if s.Now.Before(at) {
			return no(key, Stabilizing, "%s is usable, but has not been quiet for long enough", key).until(at)
		}
		return no(key, Over, "%s has been usable and quiet for %s", key, p.Stabilization)
	}
	due := ended.Add(p.backOff(max(1, len(s.of(key, s.Now.Add(-p.Window))))))
	if s.Now.Before(due) {
		return no(key, Stabilizing, "%s: %s", key, fault).until(due)
	}
	return no(key, FaultPersists, "%s: %s, still", key, fault)
}
