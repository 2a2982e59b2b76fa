package health_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
)

func newMonitor() *health.Monitor {
	return health.NewMonitor(func(*multipath.PathSet) health.Policy { return health.DefaultPolicy() })
}

// snapshot returns the sets as of so many seconds after start, as volumes a,
// b, c and so on.
func snapshot(at int, sets ...*multipath.PathSet) *multipath.Snapshot {
	snap := &multipath.Snapshot{At: start.Add(time.Duration(at) * time.Second)}
	for i, s := range sets {
		one := *s
		one.VolumeID = string(rune('a' + i))
		snap.PathSets = append(snap.PathSets, one)
	}
	return snap
}

func TestMonitorBeforeTheFirstUpdate(t *testing.T) {
	m := newMonitor()
	findings, known := m.Findings("a")
	if m.Ready() || known || findings != nil || m.NodeFindings() != nil {
		t.Errorf("a new monitor: ready %v, volume known %v with %v, node %v; want nothing", m.Ready(), known, findings, m.NodeFindings())
	}
	m.Update(snapshot(0))
	if !m.Ready() {
		t.Error("not ready after an update without volumes")
	}
}

func TestMonitorRemembersAndForgets(t *testing.T) {
	m := newMonitor()
	for _, s := range []struct {
		at    int
		sets  []*multipath.PathSet
		known bool
		want  []string
	}{
		{0, []*multipath.PathSet{oneLeft}, true, []string{redundancyLost}},
		{1, []*multipath.PathSet{whole}, true, []string{redundancyLost}},
		{2, nil, false, nil},
		{3, []*multipath.PathSet{whole}, true, nil},
	} {
		m.Update(snapshot(s.at, s.sets...))
		findings, known := m.Findings("a")
		if known != s.known {
			t.Errorf("at %d s: known %v, want %v", s.at, known, s.known)
		}
		if diff := cmp.Diff(s.want, brief(findings)); diff != "" {
			t.Errorf("at %d s (-want +got):\n%s", s.at, diff)
		}
	}
}

// TestMonitorIsTold: what others find is a finding from the next update on,
// among the node's own, until they take it back.
func TestMonitorIsTold(t *testing.T) {
	m := newMonitor()
	duplicate := health.Finding{Status: health.Degraded, Reason: health.DuplicateHostNQN, Message: "node b presents the same"}
	check := func(when string, want ...string) {
		t.Helper()
		findings, _ := m.Findings("a")
		if diff := cmp.Diff(want, brief(findings)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	m.Told("a", duplicate)
	m.Told("other", duplicate)
	m.Update(snapshot(0, whole))
	check("told before the first update", brief([]health.Finding{duplicate})...)
	m.Update(snapshot(1, oneLeft))
	check("with a finding of its own", append([]string{redundancyLost}, brief([]health.Finding{duplicate})...)...)
	if n := m.NodeFindings(); len(n) != 2 || n[1].Reason != health.DuplicateHostNQN {
		t.Errorf("node findings %v, want one of each reason", n)
	}
	m.Told("a")
	m.Update(snapshot(2, oneLeft))
	check("taken back", redundancyLost)
}

func TestNodeFindings(t *testing.T) {
	vanished := device(set(live(1), live(2)), multipath.DeviceVanished)
	for _, tt := range []struct {
		name string
		sets []*multipath.PathSet
		want []health.Finding
	}{
		{"no volumes", nil, []health.Finding{}},
		{"all well", []*multipath.PathSet{whole, whole}, []health.Finding{}},
		{"some degraded", []*multipath.PathSet{whole, oneLeft, threeTwo}, []health.Finding{
			{health.StorageDegraded, health.PathRedundancyLost, "1 of 3 volumes: b"},
			{health.StorageDegraded, health.PathDown, "1 of 3 volumes: c"}}},
		{"many degraded", []*multipath.PathSet{oneLeft, oneLeft, oneLeft, oneLeft, oneLeft}, []health.Finding{
			{health.StorageDegraded, health.PathRedundancyLost, "5 of 5 volumes: a, b, c and 2 more"}}},
		{"one without a path", []*multipath.PathSet{whole, none}, []health.Finding{
			{health.StorageDegraded, health.NoUsablePath, "1 of 2 volumes: b"}}},
		{"all without a path", []*multipath.PathSet{none, singleDown}, []health.Finding{
			{health.StorageUnreachable, health.NoUsablePath, "2 of 2 volumes: a, b"}}},
		{"all without a path, one still being staged", []*multipath.PathSet{none, pending}, []health.Finding{
			{health.StorageUnreachable, health.NoUsablePath, "1 of 1 volume: a"}}},
		{"all devices vanished", []*multipath.PathSet{vanished}, []health.Finding{
			{health.StorageDegraded, health.DeviceVanished, "1 of 1 volume: a"}}},
		{"only staging", []*multipath.PathSet{pending}, []health.Finding{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMonitor()
			m.Update(snapshot(0, tt.sets...))
			got := m.NodeFindings()
			if diff := cmp.Diff(tt.want, append([]health.Finding{}, got...)); diff != "" {
				t.Errorf("node findings with %s (-want +got):\n%s", tt.name, diff)
			}
			checkGuarded(t, append([]health.Finding{}, got...))
		})
	}
}

// BenchmarkUpdate bounds what a look at a full node costs: 250 volumes, which
// the multipath layer looks at twice a second.
func BenchmarkUpdate(b *testing.B) {
	sets := make([]*multipath.PathSet, 250)
	for i := range sets {
		sets[i] = whole
	}
	m, snap := newMonitor(), snapshot(0, sets...)
	for b.Loop() {
		m.Update(snap)
	}
}

// TestMonitorConcurrently is for the race detector. Readers also scribble on
// what they were given, which must be theirs.
func TestMonitorConcurrently(t *testing.T) {
	m := newMonitor()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for i := range 200 {
				m.Update(snapshot(i, oneLeft, none))
			}
		})
		wg.Go(func() {
			for range 200 {
				findings, known := m.Findings("a")
				if known && !m.Ready() {
					t.Error("a volume is known to a monitor that is not ready")
				}
				for i := range findings {
					findings[i].Message = "scribble"
				}
				for i, node := 0, m.NodeFindings(); i < len(node); i++ {
					node[i].Message = "scribble"
				}
			}
		})
	}
	wg.Wait()
	findings, _ := m.Findings("a")
	if len(findings) != 1 || findings[0].Message == "scribble" {
		t.Errorf("findings after all: %v", findings)
	}
}
