package health_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/nvme"
)

// FuzzGuard guards findings made of arbitrary text, in both orders.
func FuzzGuard(f *testing.F) {
	f.Add("Degraded", "PathDown", "a path is down", "Inaccessible", "NoUsablePath", "none is left", uint8(1))
	f.Fuzz(func(t *testing.T, s1, r1, m1, s2, r2, m2 string, n uint8) {
		var findings []health.Finding
		for i := range int(n)%32 + 1 {
			tail := r2[:i%(len(r2)+1)]
			findings = append(findings,
				health.Finding{Status: health.Status(s1), Reason: health.Reason(r1 + tail), Message: m1},
				health.Finding{Status: health.Status(s2), Reason: health.Reason(tail), Message: m2 + m1})
		}
		guarded := health.Guard(findings)
		checkGuarded(t, guarded)
		slices.Reverse(findings)
		if diff := cmp.Diff(guarded, health.Guard(findings)); diff != "" {
			t.Errorf("the order of the input matters (-forward +backward):\n%s", diff)
		}
	})
}

var (
	anyDevice     = []multipath.DeviceState{multipath.DevicePresent, multipath.DevicePending, multipath.DeviceVanished, multipath.DeviceIdentityChanged, "?"}
	anyController = []nvme.ControllerState{nvme.StateLive, nvme.StateConnecting, nvme.StateAbsent, nvme.StateUnknown, ""}
	anyANA        = []nvme.ANAState{nvme.ANAOptimized, nvme.ANANone, nvme.ANANonOptimized, nvme.ANAInaccessible, nvme.ANAUnknown}
)

// anySet makes a path set of four bytes for the volume and three for a path.
func anySet(b []byte, text string, now time.Time) *multipath.PathSet {
	s := &multipath.PathSet{Expected: int(int8(b[0])), Device: multipath.Device{State: anyDevice[int(b[1])%len(anyDevice)], Name: text}}
	for p := b[4:]; len(p) >= 3; p = p[3:] {
		one := multipath.Path{
			Address:      nvme.TransportID{Transport: nvme.TransportTCP, TrAddr: text, HostIface: string(p[2]&1 + 'a')},
			Expected:     p[2]&2 != 0,
			Name:         text,
			Controller:   text,
			State:        anyController[int(p[0])%len(anyController)],
			ANAState:     anyANA[int(p[1])%len(anyANA)],
			ConnectError: text,
		}
		if p[2]&4 != 0 {
			one.ConnectError, one.Controller = "", ""
		}
		if p[2]&8 != 0 {
			one.Record.LastSample = now
		}
		for i := range int(p[2]) >> 4 {
			one.Record.Episodes = append(one.Record.Episodes, now.Add(-time.Duration(i)*time.Minute))
		}
		one.ControllerRecord.Episodes = one.Record.Episodes
		s.Paths = append(s.Paths, one)
	}
	return s
}

// FuzzAssess lets a volume live through arbitrary sets at arbitrary times; a
// step of its life is 16 bytes, the third and fourth being seconds to go on
// (or back).
func FuzzAssess(f *testing.F) {
	f.Add([]byte("\x02\x00\x00\x01\x00\x00\x02\x01\x00\x02\x00\x00\x02\x01\x00\x02"), "nvme0")
	f.Fuzz(func(t *testing.T, life []byte, text string) {
		policy := health.DefaultPolicy()
		var history health.History
		now := start
		for ; len(life) >= 16; life = life[16:] {
			now = now.Add(time.Duration(int8(life[2]))*time.Minute + time.Duration(life[3])*time.Second)
			set := anySet(life[:16], text, now)
			var findings []health.Finding
			findings, history = health.Assess(set, policy, history, now)
			checkGuarded(t, health.Guard(findings))
			checkLadder(t, set, findings)
		}
	})
}

// checkLadder checks what must hold at every moment: the claim that nothing
// is usable is true when made and made when true, and one rung is shown.
func checkLadder(t *testing.T, set *multipath.PathSet, findings []health.Finding) {
	t.Helper()
	rungs, inaccessible := 0, false
	for _, f := range findings {
		switch f.Reason {
		case health.NoUsablePath:
			inaccessible = true
			rungs++
		case health.PathRedundancyLost, health.PathDown:
			rungs++
		}
	}
	if rungs > 1 {
		t.Errorf("%d rungs of the ladder are reported at once: %v", rungs, brief(findings))
	}
	pending := set.Device.State == multipath.DevicePending
	if want := set.Usable() == 0; !pending && inaccessible != want {
		t.Errorf("%d usable paths, NoUsablePath reported: %v, want %v", set.Usable(), inaccessible, want)
	}
}
