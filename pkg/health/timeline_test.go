package health_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/nvme"
)

// step is one assessment of a timeline: at so many seconds after start the
// set looks like this, and these findings ("Status/Reason: message" or without
// the message) are expected.
type step struct {
	at   int
	set  *multipath.PathSet
	want []string
}

var (
	whole   = set(live(1), live(2))
	oneLeft = set(live(1), connecting(2))
	none    = set(connecting(1), connecting(2))
	pending = device(set(missing(1, ""), missing(2, "")), multipath.DevicePending)

	threeWhole = set(live(1), live(2), live(3))
	threeTwo   = set(live(1), live(2), connecting(3))
	threeOne   = set(live(1), connecting(2), connecting(3))

	single     = set(live(1))
	singleDown = set(connecting(1))

	slow     = set(path(1, nvme.StateLive, nvme.ANANonOptimized), path(2, nvme.StateLive, nvme.ANANonOptimized))
	starting = set(live(1), missing(2, ""))
)

const (
	inaccessible   = "Inaccessible/NoUsablePath"
	redundancyLost = "Degraded/PathRedundancyLost"
	down           = "Degraded/PathDown"
	notOptimized   = "Degraded/NoOptimizedPath"
)

var timelines = []struct {
	name   string
	policy func(*health.Policy)
	steps  []step
}{
	{"raised at once, cleared after 30 s", nil, []step{
		{0, whole, nil},
		{1, oneLeft, []string{redundancyLost}},
		{2, whole, []string{redundancyLost}},
		{31, whole, []string{redundancyLost}},
		{32, whole, nil},
	}},
	{"a relapse starts the quiet anew", nil, []step{
		{0, oneLeft, []string{redundancyLost}},
		{1, whole, []string{redundancyLost}},
		{20, oneLeft, []string{redundancyLost}},
		{21, whole, []string{redundancyLost}},
		{50, whole, []string{redundancyLost}},
		{51, whole, nil},
	}},
	{"a gap between assessments is not quiet", nil, []step{
		{0, oneLeft, []string{redundancyLost}},
		{600, whole, []string{redundancyLost}},
		{630, whole, nil},
	}},
	{"inaccessible ends at once, by way of degraded", nil, []step{
		{0, whole, nil},
		{1, oneLeft, []string{redundancyLost}},
		{2, none, []string{inaccessible}},
		{3, oneLeft, []string{redundancyLost}},
		{4, whole, []string{redundancyLost}},
		{34, whole, nil},
	}},
	{"all paths back together", nil, []step{
		{0, none, []string{inaccessible}},
		{9, whole, []string{redundancyLost}},
		{39, whole, nil},
	}},
	{"a volume of one path", nil, []step{
		{0, single, nil},
		{1, singleDown, []string{inaccessible}},
		{2, single, []string{down}},
		{32, single, nil},
	}},
	{"three paths, up the ladder one rung at a time", nil, []step{
		{0, threeWhole, nil},
		{1, threeTwo, []string{down}},
		{2, threeOne, []string{redundancyLost}},
		{3, threeTwo, []string{redundancyLost}},
		{32, threeTwo, []string{redundancyLost}},
		{33, threeTwo, []string{down}},
		{34, threeWhole, []string{down}},
		{64, threeWhole, nil},
	}},
	{"RaiseAfter suppresses a blip", raiseAfter10, []step{
		{0, whole, nil},
		{1, oneLeft, nil},
		{10, whole, nil},
		{11, oneLeft, nil},
		{20, oneLeft, nil},
		{21, oneLeft, []string{redundancyLost}},
	}},
	{"RaiseAfter holds for each rung", raiseAfter10, []step{
		{0, whole, nil},
		{1, oneLeft, nil},
		{6, none, nil},
		{11, none, []string{redundancyLost}},
		{16, none, []string{inaccessible}},
	}},
	{"a restart raises at once, whatever RaiseAfter says", raiseAfter10, []step{
		{0, oneLeft, []string{redundancyLost}},
	}},
	{"the path that is connected in the background", nil, []step{
		{0, pending, nil},
		{5, starting, nil},
		{14, starting, nil},
		{15, starting, []string{redundancyLost}},
		{16, whole, []string{redundancyLost}},
		{46, whole, nil},
	}},
	{"staged again after an outage long ago", nil, []step{
		{0, pending, nil},
		{1, set(live(1), known(missing(2, ""), -3600, -3600)), nil},
		{2, whole, nil},
	}},
	{"a path that the kernel shows before it has an ANA state", nil, []step{
		{0, pending, nil},
		{2, set(live(1), known(path(2, nvme.StateLive, nvme.ANAUnknown), 1, -3600)), nil},
		{3, set(live(1), known(live(2), 3, -3600)), nil},
		{4, set(live(1), known(connecting(2), 3, 4)), []string{redundancyLost}},
	}},
	{"a path that was up since staging gets no grace", nil, []step{
		{0, pending, nil},
		{1, whole, nil},
		{2, set(live(1), known(connecting(2), 1, -3600)), []string{redundancyLost}},
	}},
	{"nor does it where nothing counts", nil, []step{
		{0, pending, nil},
		{1, whole, nil},
		{2, set(live(1), known(connecting(2), -3600, 2)), []string{redundancyLost}},
	}},
	{"nor does one that failed to connect", nil, []step{
		{0, pending, nil},
		{1, set(live(1), missing(2, "connection refused")), []string{redundancyLost}},
	}},
	{"one path on its way, another down", nil, []step{
		{0, pending, nil},
		{1, set(live(1), missing(2, ""), missing(3, "connection refused")), []string{down}},
		{15, set(live(1), missing(2, ""), missing(3, "connection refused")), []string{redundancyLost}},
	}},
	{"the optimized path comes second", nil, []step{
		{0, pending, nil},
		{1, set(missing(1, ""), path(2, nvme.StateLive, nvme.ANANonOptimized)), nil},
		{2, set(live(1), path(2, nvme.StateLive, nvme.ANANonOptimized)), nil},
	}},
	{"a path on its way helps nobody yet", nil, []step{
		{0, pending, nil},
		{1, set(missing(1, ""), missing(2, "")), []string{inaccessible}},
	}},
	{"the clock steps back while paths are on their way", nil, []step{
		{3600, pending, nil},
		{0, starting, nil},
		{14, starting, nil},
		{15, starting, []string{redundancyLost}},
	}},
	{"pending neither raises nor clears", nil, []step{
		{0, oneLeft, []string{redundancyLost}},
		{1, whole, []string{redundancyLost}},
		{60, pending, []string{redundancyLost}},
		{61, whole, []string{redundancyLost}},
		{89, whole, []string{redundancyLost}},
		{90, whole, nil},
	}},
	{"an outage does not clear what it makes unknown", nil, []step{
		{0, slow, []string{notOptimized}},
		{1, none, []string{inaccessible}},
		{100, slow, []string{redundancyLost, notOptimized}},
		{130, slow, []string{notOptimized}},
	}},
	{"the clock steps back an hour", nil, []step{
		{3600, oneLeft, []string{redundancyLost}},
		{3601, whole, []string{redundancyLost}},
		{1, whole, []string{redundancyLost}},
		{30, whole, []string{redundancyLost}},
		{31, whole, nil},
	}},
	{"the clock steps back while a condition is being watched", raiseAfter10, []step{
		{3590, whole, nil},
		{3600, oneLeft, nil},
		{0, oneLeft, nil},
		{10, oneLeft, []string{redundancyLost}},
	}},
	{"the message tells the present", nil, []step{
		{0, threeOne, []string{redundancyLost + ": 1 of 3 paths usable; tcp://192.0.2.2:4420 is down: controller nvme2 is connecting; tcp://192.0.2.3:4420 is down: controller nvme3 is connecting"}},
		{1, threeTwo, []string{redundancyLost + ": 2 of 3 paths usable; tcp://192.0.2.3:4420 is down: controller nvme3 is connecting (recovering; clears after 30s of quiet)"}},
		{2, threeWhole, []string{redundancyLost + ": 3 of 3 paths usable (recovering; clears after 30s of quiet)"}},
	}},
}

func raiseAfter10(p *health.Policy) { p.RaiseAfter = 10 * time.Second }

func TestTimelines(t *testing.T) {
	for _, tt := range timelines {
		t.Run(tt.name, func(t *testing.T) {
			policy := health.DefaultPolicy()
			if tt.policy != nil {
				tt.policy(&policy)
			}
			var history health.History
			for _, s := range tt.steps {
				var findings []health.Finding
				findings, history = health.Assess(s.set, policy, history, start.Add(time.Duration(s.at)*time.Second))
				if diff := cmp.Diff(s.want, like(s.want, findings)); diff != "" {
					t.Fatalf("%s, at %d s (-want +got):\n%s", tt.name, s.at, diff)
				}
			}
		})
	}
}

// like shows the findings with their messages where want has messages.
func like(want []string, findings []health.Finding) []string {
	got := brief(findings)
	for i := range got {
		if i < len(want) && len(want[i]) > len(got[i]) {
			got[i] += ": " + findings[i].Message
		}
	}
	return got
}

// TestHistoryIsAValue assesses twice from one history: the answers agree.
func TestHistoryIsAValue(t *testing.T) {
	_, history := health.Assess(oneLeft, health.DefaultPolicy(), health.History{}, start)
	copied := history
	first, _ := health.Assess(whole, health.DefaultPolicy(), history, start.Add(time.Minute))
	second, _ := health.Assess(whole, health.DefaultPolicy(), history, start.Add(time.Minute))
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("second assessment from one history (-first +second):\n%s", diff)
	}
	if history != copied {
		t.Errorf("Assess changed the history it was given: %+v, was %+v", history, copied)
	}
}
