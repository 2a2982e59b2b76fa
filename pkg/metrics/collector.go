package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/nvme"
)

// Collector collects what the newest snapshot says, and what health makes of
// it.
type Collector struct {
	// Snapshot returns the newest snapshot, nil before the first.
	Snapshot func() *multipath.Snapshot
	// Findings returns a volume's findings.
	Findings func(volumeID string) (findings []health.Finding, known bool)
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("braid_"+name, help, labels, nil)
}

var (
	observed = desc("observation_timestamp_seconds", "When the paths were last observed.")

	volumeInfo = desc("volume_info", "A staged volume, whose it is, its device and its I/O policy; always 1.",
		"volume", "subsystem_nqn", "nvme_namespace", "device", "io_policy", "persistentvolume", "namespace", "persistentvolumeclaim")
	volumeExpected = desc("volume_paths_expected", "Paths that the volume asks for.", "volume")
	volumeUsable   = desc("volume_paths_usable", "Paths that I/O can take: controller live, ANA state accessible.", "volume")
	volumeFinding  = desc("volume_finding", "Something that is wrong with the volume; always 1.", "volume", "status", "reason")

	pathInfo = desc("path_info", "A path, its controller and where its counts come from; always 1.",
		"volume", "path", "controller", "disk", "counter_source", "expected")
	pathUsable  = desc("path_usable", "Whether I/O can take the path.", "volume", "path")
	pathState   = desc("path_controller_state", "The state of the path's controller; 1 for the one it is in.", "volume", "path", "state")
	pathANA     = desc("path_ana_state", "The ANA state of the path while its controller is live; 1 for the one it is in.", "volume", "path", "state")
	lastFailure = desc("path_last_failover_timestamp_seconds", "When a request last failed over from the path.", "volume", "path")
)

// total ties a counter of the ledger to a metric.
type total struct {
	counter nvme.Counter
	desc    *prometheus.Desc
}

var (
	pathTotals = []total{
		{nvme.Failovers, desc("path_failovers_total", "Requests redirected away from the path.", "volume", "path")},
		{nvme.Retries, desc("path_retries_total", "Requests that the path was asked again.", "volume", "path")},
		{nvme.Errors, desc("path_errors_total", "Requests on the path that ended with an error.", "volume", "path")},
	}
	headTotals = []total{
		{nvme.Requeues, desc("volume_requeues_total", "How often I/O was parked for want of a usable path.", "volume")},
		{nvme.Failures, desc("volume_failures_total", "I/O that failed because no path could come back.", "volume")},
	}
	// Of a controller, which the volumes of a subsystem share.
	controllerTotals = []total{
		{nvme.Resets, desc("controller_resets_total", "Resets of the controller.", "subsystem_nqn", "path")},
		{nvme.Reconnects, desc("controller_reconnects_total", "Attempts to connect the controller again.", "subsystem_nqn", "path")},
		{nvme.AdminErrors, desc("controller_admin_errors_total", "Admin commands that ended with an error.", "subsystem_nqn", "path")},
	}
)

// Describe sends every metric there may be.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		observed, volumeInfo, volumeExpected, volumeUsable, volumeFinding,
		pathInfo, pathUsable, pathState, pathANA, lastFailure,
		pathInFlight, pathRequests, pathSeconds, probeAnswered, probeSeconds, controllerRTT, controllerAgain,
	} {
		ch <- d
	}
	for _, table := range [][]total{pathTotals, headTotals, controllerTotals} {
		for _, t := range table {
			ch <- t.desc
		}
	}
}

// Collect sends what the newest snapshot has.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	snap := c.Snapshot()
	if snap == nil {
		return
	}
	gauge(ch, observed, float64(snap.At.UnixMilli())/1000)
	shared := map[controllerKey]bool{}
	for i := range snap.PathSets {
		c.volume(ch, &snap.PathSets[i], shared)
	}
}

// controllerKey keeps the controllers that several volumes have from being
// sent more than once.
type controllerKey struct{ nqn, path string }

func (c *Collector) volume(ch chan<- prometheus.Metric, set *multipath.PathSet, shared map[controllerKey]bool) {
	id := set.VolumeID
	gauge(ch, volumeInfo, 1, id, string(set.SubsystemNQN), set.Namespace.String(), set.Device.Name, string(set.IOPolicy),
		set.Origin.PersistentVolume, set.Origin.ClaimNamespace, set.Origin.ClaimName)
	gauge(ch, volumeExpected, float64(set.Expected), id)
	gauge(ch, volumeUsable, float64(set.Usable()), id)
	totals(ch, headTotals, set.Head, id)
	findings, _ := c.Findings(id)
	for _, f := range health.Guard(findings) {
		gauge(ch, volumeFinding, 1, id, string(f.Status), string(f.Reason))
	}
	for i := range set.Paths {
		p := &set.Paths[i]
		path(ch, id, p)
		if k := (controllerKey{string(set.SubsystemNQN), p.Key}); !shared[k] {
			shared[k] = true
			totals(ch, controllerTotals, p.ControllerRecord.Tallies, k.nqn, k.path)
			connections(ch, p.Connections, k.nqn, k.path)
		}
	}
}
