package health_test

import (
	"strings"
	"testing"
	"time"

	"github.com/braid-csi/braid/pkg/health"
)

func TestPolicyValidate(t *testing.T) {
	if err := health.DefaultPolicy().Validate(); err != nil {
		t.Errorf("the default policy: %v", err)
	}
	for field, spoil := range map[string]func(*health.Policy){
		"RaiseAfter":       func(p *health.Policy) { p.RaiseAfter = -1 },
		"ClearAfter":       func(p *health.Policy) { p.ClearAfter = -time.Second },
		"ConnectGrace":     func(p *health.Policy) { p.ConnectGrace = -1 },
		"FlappingEpisodes": func(p *health.Policy) { p.FlappingEpisodes = 0 },
		"FlappingWindow":   func(p *health.Policy) { p.FlappingWindow = 0 },
		"UnstableEpisodes": func(p *health.Policy) { p.UnstableEpisodes = 33 },
		"UnstableWindow":   func(p *health.Policy) { p.UnstableWindow = time.Millisecond },
	} {
		p := health.DefaultPolicy()
		spoil(&p)
		if err := p.Validate(); err == nil || !strings.HasPrefix(err.Error(), field+" ") {
			t.Errorf("a policy with a bad %s: error %v, want one naming the field", field, err)
		}
	}
}
