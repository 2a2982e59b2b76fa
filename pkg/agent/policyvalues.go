package agent

import (
	"time"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/remediation"
)

// What holds of records where no policy says otherwise.
const (
	defaultRecords = 10
	defaultTTL     = 168 * time.Hour
)

// The API server has seen to the values; should it ever have let one through
// that makes no sense, health is judged as if there were no policy, and nothing
// is done.

// healthOf is what a policy says of health.
func healthOf(h *v1alpha1.HealthPolicy, fallback health.Policy) health.Policy {
	p := health.DefaultPolicy()
	ok := duration(&p.RaiseAfter, h.RaiseAfter) && duration(&p.ClearAfter, h.ClearAfter) && duration(&p.ConnectGrace, h.ConnectGrace) &&
		threshold(&p.FlappingEpisodes, &p.FlappingWindow, h.Flapping) && threshold(&p.UnstableEpisodes, &p.UnstableWindow, h.Unstable)
	if !ok || p.Validate() != nil {
		return fallback
	}
	return p
}

// remediationOf is what a policy says of remediation, but for the thresholds,
// which are health's.
func remediationOf(r *v1alpha1.RemediationPolicy) remediation.Policy {
	p := remediation.DefaultPolicy()
	ok := duration(&p.Stabilization, r.StabilizationWindow) && duration(&p.BenchTime, r.BenchTime)
	if b := r.BackOff; b != nil {
		ok = ok && duration(&p.BackOff, b.Initial) && duration(&p.MaxBackOff, b.Max)
	}
	if a := r.Attempts; a != nil {
		ok = ok && threshold(&p.Attempts, &p.Window, &v1alpha1.EpisodeThreshold{Episodes: a.Max, Window: a.Window})
	}
	for _, s := range r.Steps {
		p.Steps = append(p.Steps, remediation.Step(s))
	}
	if !ok || p.Validate() != nil {
		return remediation.DefaultPolicy()
	}
	return p
}

// recordsOf is what a policy says of records.
func recordsOf(r *v1alpha1.RecordLimit) recordLimit {
	l := recordLimit{defaultRecords, defaultTTL}
	if r == nil || !threshold(&l.max, &l.ttl, &v1alpha1.EpisodeThreshold{Episodes: r.Max, Window: r.TTL}) {
		return recordLimit{defaultRecords, defaultTTL}
	}
	return l
}

// duration sets d to a time, if there is one, and tells whether it can be read.
func duration(d *time.Duration, text v1alpha1.Duration) bool {
	if text == "" {
		return true
	}
	var err error
	*d, err = time.ParseDuration(string(text))
	return err == nil
}

// threshold sets a number and a time, as far as there is any.
func threshold(n *int, window *time.Duration, t *v1alpha1.EpisodeThreshold) bool {
	if t == nil {
		return true
	}
	if t.Episodes != nil {
		*n = int(*t.Episodes)
	}
	return duration(window, t.Window)
}
