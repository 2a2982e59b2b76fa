package health

import (
	"fmt"
	"strings"
	"time"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/nvme"
)

// pathsMessage tells how many paths are usable and why the others are not.
func pathsMessage(set *multipath.PathSet, s survey) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %s usable", s.expected, quantity(set.Expected, "path"))
	if extra := len(s.usable) - s.expected; extra > 0 {
		fmt.Fprintf(&b, " and %d unexpected", extra)
	}
	if s.fate != "" {
		b.WriteString(", all " + s.fate)
	}
	for _, p := range s.down {
		fmt.Fprintf(&b, "; %s is down: %s", p.Address, cause(p))
	}
	for _, p := range s.resting {
		fmt.Fprintf(&b, "; %s is under maintenance: %s", p.Address, p.Maintenance.Reason)
	}
	return b.String()
}

// cause tells why a path is not usable.
func cause(p *multipath.Path) string {
	var why string
	switch {
	case !p.BenchedUntil.IsZero():
		return "benched, for it was much slower than the others, or lost much"
	case p.Controller == "" || p.State == nvme.StateAbsent:
		why = "not connected"
	case p.State == nvme.StateLive && p.ANAState.Accessible():
		why = fmt.Sprintf("controller %s is live but does not have the namespace", p.Controller)
	case p.State == nvme.StateLive:
		why = fmt.Sprintf("controller %s is live but its ANA state is %s", p.Controller, p.ANAState)
	case p.State == nvme.StateUnknown || p.State == "":
		why = fmt.Sprintf("controller %s is in an unknown state", p.Controller)
	default:
		why = fmt.Sprintf("controller %s is %s", p.Controller, p.State)
	}
	if p.ConnectError != "" {
		why += " (" + p.ConnectError + ")"
	}
	return why
}

// optimizedMessage tells which of the ANA states I/O makes do with.
func optimizedMessage(s survey) string {
	switch {
	case len(s.usable) == 0:
		return "no path is usable"
	case s.optimized:
		return "an optimized path is usable"
	}
	return "only non-optimized paths are usable: " + addresses(s.usable)
}

// probesMessage tells which idle paths gave no answer, and why.
func probesMessage(mute []*multipath.Path) string {
	if len(mute) == 0 {
		return "every idle path answers"
	}
	words := make([]string, len(mute))
	for i, p := range mute {
		words[i] = fmt.Sprintf("%s (%s)", p.Address, p.Probe.Problem)
	}
	return "a path without I/O is up, but does not answer: " + strings.Join(words, ", ")
}

// qualityMessage tells which paths are marginal, without their numbers: those
// change with every window.
func qualityMessage(bad []*multipath.Path) string {
	const what = "much slower than the others, or loses much"
	if len(bad) == 0 {
		return "no path is " + what
	}
	return "a path is " + what + ": " + addresses(bad)
}

// episodesMessage names the limit, not the number of episodes: that grows.
func episodesMessage(restless []*multipath.Path, limit int, what string, window time.Duration) string {
	msg := fmt.Sprintf("%s %d times or more within %s", what, limit, short(window))
	if len(restless) == 0 {
		return "no " + msg
	}
	return "a " + msg + ": " + addresses(restless)
}

func deviceMessage(set *multipath.PathSet) string {
	switch name := set.Device.Name; set.Device.State {
	case multipath.DeviceVanished:
		return fmt.Sprintf("the staged device %s is gone; the volume must be staged again", name)
	case multipath.DeviceIdentityChanged:
		return fmt.Sprintf("the staged device %s is no longer namespace %s; the volume must be staged again", name, set.Namespace)
	default:
		return fmt.Sprintf("the staged device %s is present", name)
	}
}

// recovering marks the message of a finding that no longer holds.
func recovering(msg string, clearAfter time.Duration) string {
	return fmt.Sprintf("%s (recovering; clears after %s of quiet)", msg, short(clearAfter))
}

func addresses(paths []*multipath.Path) string {
	names := make([]string, len(paths))
	for i, p := range paths {
		names[i] = p.Address.String()
	}
	return strings.Join(names, ", ")
}

func quantity(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// short writes whole minutes without their zero seconds.
func short(d time.Duration) string {
	if s, whole := strings.CutSuffix(d.String(), "m0s"); whole {
		return s + "m"
	}
	return d.String()
}
