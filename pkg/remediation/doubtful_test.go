package remediation

import (
	"testing"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/nvme"
)

func TestDoubtful(t *testing.T) {
	hangs := evidence("nvme0", func(e *multipath.Evidence) { e.HangsSince = ago(1) })
	idle := evidence("nvme0", func(e *multipath.Evidence) { e.OthersComplete = false })
	for name, tc := range map[string]struct {
		happens []func(*Situation)
		want    string
	}{
		"requests hang":             {[]func(*Situation){hangs}, key(0)},
		"silent, others do nothing": {[]func(*Situation){dead, hangs, idle}, key(0)},
		"silent, others complete":   {[]func(*Situation){dead, hangs}, ""},
		"nothing hangs":             {nil, ""},
		"not live":                  {[]func(*Situation){hangs, inState(nvme.StateConnecting)}, ""},
		"not Braid's":               {[]func(*Situation){hangs, foreign}, ""},
		"suspended":                 {[]func(*Situation){hangs, func(s *Situation) { s.Suspended.All = true }}, ""},
		"not staged":                {[]func(*Situation){hangs, func(s *Situation) { s.Set = nil }}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := scene()
			for _, happens := range tc.happens {
				happens(&s)
			}
			if got := Doubtful(everything(), s); got != tc.want {
				t.Errorf("doubtful: %q, want %q", got, tc.want)
			}
			if got := Doubtful(DefaultPolicy(), s); got != "" {
				t.Errorf("doubtful, though the policy would do nothing about it: %q", got)
			}
		})
	}
}
