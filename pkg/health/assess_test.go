package health_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/nvme"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// sets holds every situation that is judged differently, with the findings
// as "Status/Reason". The messages are in testdata/messages.golden.
var sets = []struct {
	name string
	set  *multipath.PathSet
	want []string
}{
	{"two live paths", set(live(1), live(2)), nil},
	{"one path, one expected", set(live(1)), nil},
	{"no ANA", set(path(1, nvme.StateLive, nvme.ANANone), path(2, nvme.StateLive, nvme.ANANone)), nil},
	{"one of one connecting", set(connecting(1)), []string{"Inaccessible/NoUsablePath"}},
	{"one of two connecting", set(live(1), connecting(2)), []string{"Degraded/PathRedundancyLost"}},
	{"one of two refused", set(live(1), missing(2, "connection refused")), []string{"Degraded/PathRedundancyLost"}},
	{"one of two gone", set(live(1), missing(2, "")), []string{"Degraded/PathRedundancyLost"}},
	{"one of two inaccessible by ANA", set(live(1), path(2, nvme.StateLive, nvme.ANAInaccessible)), []string{"Degraded/PathRedundancyLost"}},
	{"one of two in a state unheard of", set(live(1), path(2, nvme.StateUnknown, nvme.ANANone)), []string{"Degraded/PathRedundancyLost"}},
	{"one of two in an ANA state unheard of", set(live(1), path(2, nvme.StateLive, nvme.ANAUnknown)), []string{"Degraded/PathRedundancyLost"}},
	{"one of three resetting", set(live(1), live(2), path(3, nvme.StateResetting, nvme.ANAOptimized)), []string{"Degraded/PathDown"}},
	{"two of three connecting", set(live(1), connecting(2), connecting(3)), []string{"Degraded/PathRedundancyLost"}},
	{"none of two", set(connecting(1), missing(2, "no route to host")), []string{"Inaccessible/NoUsablePath"}},
	{"stale ANA state of dead paths", set(path(1, nvme.StateConnecting, nvme.ANANonOptimized), connecting(2)), []string{"Inaccessible/NoUsablePath"}},
	{"an unexpected path fills in for one", set(live(1), connecting(2), unexpected(live(3))), []string{"Degraded/PathDown"}},
	{"an unexpected path fills in for the only one", set(connecting(1), unexpected(live(3))), []string{"Degraded/PathDown"}},
	{"an unexpected path is down", set(live(1), live(2), unexpected(connecting(3))), nil},
	{"all left share a target port",
		set(through("eth0", live(1)), through("eth1", live(1)), through("eth0", connecting(2)), through("eth1", connecting(2))),
		[]string{"Degraded/PathRedundancyLost"}},
	{"all left share a host interface",
		set(through("eth0", connecting(1)), through("eth1", live(1)), through("eth0", connecting(2)), through("eth1", live(2))),
		[]string{"Degraded/PathRedundancyLost"}},
	{"one of two on the bench", set(benched(missing(1, "")), live(2)), []string{"Degraded/PathRedundancyLost"}},
	{"one of three on the bench", set(benched(missing(1, "")), live(2), live(3)), []string{"Degraded/PathDown"}},
	{"one of two under maintenance", set(resting(connecting(1)), live(2)), nil},
	{"one of two under maintenance, the other one lost", set(resting(missing(1, "")), connecting(2)), []string{"Inaccessible/NoUsablePath"}},
	{"one of three under maintenance, another one lost", set(resting(missing(1, "")), connecting(2), live(3)),
		[]string{"Degraded/PathRedundancyLost"}},
	{"one of three under maintenance", set(resting(missing(1, "")), live(2), live(3)), nil},
	{"one of two under maintenance, and usable", set(resting(live(1)), live(2)), nil},
	{"all left share a target port, the other one is under maintenance",
		set(through("eth0", live(1)), through("eth1", live(1)), resting(through("eth0", missing(2, ""))), resting(through("eth1", missing(2, "")))), nil},
	{"both come back through one local address",
		set(routed("192.0.2.9", "192.0.2.9", live(1)), routed("192.0.2.10", "192.0.2.9", live(2))),
		[]string{"Degraded/PathRedundancyLost"}},
	{"one local address, as it was from the beginning",
		set(routed("192.0.2.9", "192.0.2.9", live(1)), routed("192.0.2.9", "192.0.2.9", live(2))), nil},
	{"two local addresses, and one is not known yet",
		set(routed("192.0.2.9", "192.0.2.9", live(1)), routed("192.0.2.10", "", live(2))), nil},
	{"two local addresses, exchanged",
		set(routed("192.0.2.9", "192.0.2.10", live(1)), routed("192.0.2.10", "192.0.2.9", live(2))), nil},
	{"one target port, as configured", set(through("eth0", live(1)), through("eth1", live(1))), nil},
	{"non-optimized only", set(path(1, nvme.StateLive, nvme.ANANonOptimized), path(2, nvme.StateLive, nvme.ANANonOptimized)), []string{"Degraded/NoOptimizedPath"}},
	{"non-optimized beside optimized", set(live(1), path(2, nvme.StateLive, nvme.ANANonOptimized)), nil},
	{"the optimized path died", set(connecting(1), path(2, nvme.StateLive, nvme.ANANonOptimized)), []string{"Degraded/PathRedundancyLost", "Degraded/NoOptimizedPath"}},
	{"device vanished", device(set(live(1), live(2)), multipath.DeviceVanished), []string{"Inaccessible/DeviceVanished"}},
	{"another namespace", device(set(live(1), live(2)), multipath.DeviceIdentityChanged), []string{"Inaccessible/NamespaceIdentityChanged"}},
	{"staging under way", device(set(missing(1, "connection refused"), missing(2, "")), multipath.DevicePending), nil},
	{"one of two without the namespace", set(live(1), nameless(live(2))), []string{"Degraded/PathRedundancyLost"}},
	{"an idle path answers", set(live(1), probed(live(2), "")), nil},
	{"an idle path does not answer", set(live(1), probed(live(2), "no answer within 3s")), []string{"Degraded/PathUnresponsive"}},
	{"an idle path did not answer, and is lost", set(live(1), probed(connecting(2), "no answer within 3s")), []string{"Degraded/PathRedundancyLost"}},
	{"three episodes", set(episodes(live(1), 9, 5, 1), live(2)), []string{"Degraded/PathFlapping"}},
	{"three episodes, one too old", set(episodes(live(1), 11, 5, 1), live(2)), nil},
	{"three episodes over two paths", set(episodes(live(1), 5, 1), episodes(live(2), 1)), nil},
	{"an episode in the future", set(episodes(live(1), 5, 1, -60), live(2)), []string{"Degraded/PathFlapping"}},
	{"three resets", set(live(1), resets(live(2), 9, 5, 1)), []string{"Degraded/PathUnstable"}},
	{"no paths at all", set(), []string{"Inaccessible/NoUsablePath"}},
}

func TestAssess(t *testing.T) {
	for _, tt := range sets {
		t.Run(tt.name, func(t *testing.T) {
			findings, _ := health.Assess(tt.set, health.DefaultPolicy(), health.History{}, start)
			if diff := cmp.Diff(tt.want, brief(findings)); diff != "" {
				t.Errorf("findings of a set with %s (-want +got):\n%s", tt.name, diff)
			}
		})
	}
}

// brief drops the messages.
func brief(findings []health.Finding) []string {
	var s []string
	for _, f := range findings {
		s = append(s, string(f.Status)+"/"+string(f.Reason))
	}
	return s
}

// TestMessages pins the wording: people search for it and alerts quote it.
func TestMessages(t *testing.T) {
	var b strings.Builder
	for _, tt := range sets {
		fmt.Fprintf(&b, "# %s\n", tt.name)
		findings, _ := health.Assess(tt.set, health.DefaultPolicy(), health.History{}, start)
		for _, f := range findings {
			fmt.Fprintf(&b, "%s: %s\n", f.Reason, f.Message)
		}
	}
	golden := filepath.Join("testdata", "messages.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("messages (-want +got; -update rewrites %s):\n%s", golden, diff)
	}
}
