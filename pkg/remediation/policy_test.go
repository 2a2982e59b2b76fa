package remediation

import (
	"strings"
	"testing"
	"time"
)

func TestPolicyValidate(t *testing.T) {
	for _, p := range []Policy{DefaultPolicy(), everything()} {
		if err := p.Validate(); err != nil {
			t.Errorf("%+v: %v", p, err)
		}
	}
	for want, change := range map[string]func(*Policy){
		`there is no step "Reboot"`:          func(p *Policy) { p.Steps = []Step{"Reboot"} },
		"step Rescan is there twice":         func(p *Policy) { p.Steps = []Step{Rescan, Rescan} },
		"step ResetCounters is not the":      func(p *Policy) { p.Steps = []Step{ResetCounters, Rescan} },
		"Flapping.Episodes is 0":             func(p *Policy) { p.Flapping.Episodes = 0 },
		"Unstable.Window is 0":               func(p *Policy) { p.Unstable.Window = 0 },
		"Stabilization is 0":                 func(p *Policy) { p.Stabilization = 0 },
		"BackOff is 0":                       func(p *Policy) { p.BackOff = 0 },
		"MaxBackOff is 1":                    func(p *Policy) { p.MaxBackOff = 1 },
		"Attempts is 0, must be at least 1":  func(p *Policy) { p.Attempts = 0 },
		"Window is 0, must be at least 1000": func(p *Policy) { p.Window = 0 },
	} {
		p := DefaultPolicy()
		change(&p)
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", p, err, want)
		}
	}
}

func TestBackOff(t *testing.T) {
	p := Policy{BackOff: time.Minute, MaxBackOff: 5 * time.Minute}
	for i, want := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 5 * time.Minute, 5 * time.Minute} {
		if got := p.backOff(i + 1); got != want {
			t.Errorf("after %d attempts: %s, want %s", i+1, got, want)
		}
	}
	if got := p.backOff(1000); got != p.MaxBackOff {
		t.Errorf("after 1000 attempts: %s, want %s", got, p.MaxBackOff)
	}
}
