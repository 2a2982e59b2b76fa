package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/braid-csi/braid/pkg/head"
)

// Heads collects what only heads in user space have: blocks that a lost write
// may still change, and the writes that wait for that (pkg/head).
type Heads struct {
	// Snapshots are the subsystems as they are now.
	Snapshots func() []head.SubsystemSnapshot
}

var (
	headHeld          = desc("head_held_writes", "Writes that are held back because a lost one may still change their blocks.", "subsystem_nqn", "nvme_namespace")
	headInDoubt       = desc("head_in_doubt_blocks", "Logical blocks that a lost write may still change.", "subsystem_nqn", "nvme_namespace")
	headInDoubtWindow = desc("head_in_doubt_seconds", "For how long a lost write may still change blocks; 0 if none may.", "subsystem_nqn", "nvme_namespace")
)

// Describe sends every metric there may be.
func (h *Heads) Describe(ch chan<- *prometheus.Desc) {
	ch <- headHeld
	ch <- headInDoubt
	ch <- headInDoubtWindow
}

// Collect sends what the heads have.
func (h *Heads) Collect(ch chan<- prometheus.Metric) {
	for _, s := range h.Snapshots() {
		for _, hs := range s.Heads {
			var blocks uint64
			var left time.Duration
			for _, d := range hs.InDoubt {
				blocks += d.Blocks
				left = max(left, time.Until(d.Until))
			}
			labels := []string{string(s.SubsystemNQN), hs.IDs[0].String()}
			gauge(ch, headHeld, float64(hs.Held), labels...)
			gauge(ch, headInDoubt, float64(blocks), labels...)
			gauge(ch, headInDoubtWindow, left.Seconds(), labels...)
		}
	}
}
