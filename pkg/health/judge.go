package health

import (
	"time"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
)

// verdict tells whether a condition holds at one moment.
type verdict int

const (
	absent verdict = iota
	unknown
	holds
)

// verdictOf returns holds or absent.
func verdictOf(b bool) verdict {
	if b {
		return holds
	}
	return absent
}

// judgement is the answer for one reason, with the present told in words
// whichever way it went.
type judgement struct {
	verdict verdict
	message string
}

// judge decides what holds for a set right now, without any memory. staging is
// when the set's paths began to be connected, zero once they had their time.
func judge(set *multipath.PathSet, p Policy, staging, now time.Time) map[Reason]judgement {
	js := make(map[Reason]judgement, len(catalogue))
	if set.Device.State == multipath.DevicePending {
		for _, c := range catalogue {
			js[c.reason] = judgement{unknown, "the volume is being staged"}
		}
		return js
	}
	judgeDevice(js, set)
	judgePaths(js, set, staging)
	js[PathUnresponsive] = judgeProbes(set)
	js[PathFlapping] = judgeEpisodes(set, p.FlappingEpisodes, p.FlappingWindow, now,
		"path was lost or failed over", func(path *multipath.Path) ledger.Record { return path.Record })
	js[PathUnstable] = judgeEpisodes(set, p.UnstableEpisodes, p.UnstableWindow, now,
		"path's controller reset or reconnected", func(path *multipath.Path) ledger.Record { return path.ControllerRecord })
	return js
}

func judgeDevice(js map[Reason]judgement, set *multipath.PathSet) {
	msg := deviceMessage(set)
	js[DeviceVanished] = judgement{verdictOf(set.Device.State == multipath.DeviceVanished), msg}
	js[NamespaceIdentityChanged] = judgement{verdictOf(set.Device.State == multipath.DeviceIdentityChanged), msg}
}

// judgePaths judges the ladder, where each rung implies those above it, and
// the ANA states of what is usable.
func judgePaths(js map[Reason]judgement, set *multipath.PathSet, staging time.Time) {
	s := surveyOf(set, staging)
	msg := pathsMessage(set, s)
	usable := len(s.usable)

	js[NoUsablePath] = judgement{verdictOf(usable == 0), msg}

	lost := judgement{message: msg}
	if set.Expected >= 2 && (usable <= 1 || s.fate != "") {
		lost.verdict = holds
		if s.joining > 0 && usable+s.joining >= 2 {
			lost.verdict = unknown
		}
		// What maintenance takes is not lost; what is missing beside it is.
		if usable > 0 && len(s.resting) > 0 && len(s.down) == 0 {
			lost.verdict = absent
		}
	}
	js[PathRedundancyLost] = lost

	down := judgement{verdictOf(len(s.down) > 0), msg}
	if down.verdict == absent && s.joining > 0 {
		down.verdict = unknown
	}
	js[PathDown] = down

	optimized := judgement{verdictOf(!s.optimized), optimizedMessage(s)}
	// The ANA state of a lost path is stale, and an optimized path may be on
	// its way.
	if usable == 0 || !s.optimized && s.joining > 0 {
		optimized.verdict = unknown
	}
	js[NoOptimizedPath] = optimized
}

// judgeProbes finds the usable paths that gave no answer when they were asked.
func judgeProbes(set *multipath.PathSet) judgement {
	var mute []*multipath.Path
	for i := range set.Paths {
		if p := &set.Paths[i]; p.Usable() && p.Probe != nil && p.Probe.Problem != "" {
			mute = append(mute, p)
		}
	}
	return judgement{verdictOf(len(mute) > 0), probesMessage(mute)}
}

// judgeEpisodes finds the paths with too many episodes in the window, in the
// record that of picks.
func judgeEpisodes(set *multipath.PathSet, limit int, window time.Duration, now time.Time,
	what string, of func(*multipath.Path) ledger.Record) judgement {
	var restless []*multipath.Path
	for i := range set.Paths {
		path := &set.Paths[i]
		if of(path).EpisodesSince(now.Add(-window)) >= limit {
			restless = append(restless, path)
		}
	}
	return judgement{verdictOf(len(restless) > 0), episodesMessage(restless, limit, what, window)}
}
