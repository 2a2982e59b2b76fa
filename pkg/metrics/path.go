package metrics

import (
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

// path sends what there is of one path.
func path(ch chan<- prometheus.Metric, volume string, p *multipath.Path) {
	gauge(ch, pathInfo, 1, volume, p.Key, p.Controller, p.Name, string(p.Source), strconv.FormatBool(p.Expected))
	usable := 0.0
	if p.Usable() {
		usable = 1
	}
	gauge(ch, pathUsable, usable, volume, p.Key)
	gauge(ch, pathState, 1, volume, p.Key, string(p.State))
	// While the controller is down its ANA state is stale.
	if p.State == nvme.StateLive && p.ANAState != nvme.ANANone {
		gauge(ch, pathANA, 1, volume, p.Key, string(p.ANAState))
	}
	quality(ch, volume, p)
	totals(ch, pathTotals, p.Record.Tallies, volume, p.Key)
	if t := p.Record.LastFailover; !t.IsZero() {
		gauge(ch, lastFailure, float64(t.UnixMilli())/1000, volume, p.Key)
	}
}

// totals sends the lifetime totals of those counters that are counted.
func totals(ch chan<- prometheus.Metric, table []total, tallies ledger.Tallies, labels ...string) {
	for _, t := range table {
		if tally, ok := tallies[t.counter]; ok {
			send(ch, t.desc, prometheus.CounterValue, float64(tally.Lifetime), labels)
		}
	}
}

func gauge(ch chan<- prometheus.Metric, d *prometheus.Desc, value float64, labels ...string) {
	send(ch, d, prometheus.GaugeValue, value, labels)
}

// send mends labels that are no UTF-8, as somebody else's controller may have:
// one of them would fail the whole scrape.
func send(ch chan<- prometheus.Metric, d *prometheus.Desc, t prometheus.ValueType, value float64, labels []string) {
	for i, l := range labels {
		labels[i] = strings.ToValidUTF8(l, "\uFFFD")
	}
	m, err := prometheus.NewConstMetric(d, t, value, labels...)
	if err != nil {
		m = prometheus.NewInvalidMetric(d, err)
	}
	ch <- m
}
