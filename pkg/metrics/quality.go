package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/braid-csi/braid/pkg/multipath"
)

var (
	pathInFlight = desc("path_requests_in_flight", "Requests on their way through the path.", "volume", "path")
	pathRequests = desc("path_requests_total", "Requests that came back through the path since its disk is there.", "volume", "path", "operation")
	pathSeconds  = desc("path_request_seconds_total", "How long those requests took altogether.", "volume", "path", "operation")

	probeAnswered = desc("path_probe_answered", "Whether the path, which carries no I/O, answered when it was asked last.", "volume", "path")
	probeSeconds  = desc("path_probe_seconds", "How long that took.", "volume", "path")

	controllerRTT   = desc("controller_rtt_seconds", "The smoothed round-trip time of the slowest of the controller's connections.", "subsystem_nqn", "path")
	controllerAgain = desc("controller_retransmitted_segments_total", "Segments sent again over the controller's connections since they are there.", "subsystem_nqn", "path")
)

// quality sends how well a path does, as far as that is known.
func quality(ch chan<- prometheus.Metric, volume string, p *multipath.Path) {
	if io := p.IO; io != nil {
		gauge(ch, pathInFlight, float64(io.InFlight), volume, p.Key)
		counter(ch, pathRequests, float64(io.Reads), volume, p.Key, "read")
		counter(ch, pathRequests, float64(io.Writes), volume, p.Key, "write")
		counter(ch, pathSeconds, io.ReadTime.Seconds(), volume, p.Key, "read")
		counter(ch, pathSeconds, io.WriteTime.Seconds(), volume, p.Key, "write")
	}
	if probe := p.Probe; probe != nil {
		answered := 0.0
		if probe.Problem == "" {
			answered = 1
		}
		gauge(ch, probeAnswered, answered, volume, p.Key)
		gauge(ch, probeSeconds, probe.Took.Seconds(), volume, p.Key)
	}
}

// connections sends how well a controller's connections do, if it is known which
// they are.
func connections(ch chan<- prometheus.Metric, all []multipath.Connection, nqn, path string) {
	if len(all) == 0 {
		return
	}
	slowest, again := all[0].RTT, uint64(0)
	for _, c := range all {
		slowest = max(slowest, c.RTT)
		again += c.Retransmitted
	}
	gauge(ch, controllerRTT, slowest.Seconds(), nqn, path)
	counter(ch, controllerAgain, float64(again), nqn, path)
}

func counter(ch chan<- prometheus.Metric, d *prometheus.Desc, value float64, labels ...string) {
	send(ch, d, prometheus.CounterValue, value, labels)
}
