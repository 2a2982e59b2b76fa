package agent

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/braid-csi/braid/pkg/api/v1alpha1"
	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestReport compares what the API is told of some path sets with what it was
// agreed to be told.
func TestReport(t *testing.T) {
	for name, tc := range map[string]struct {
		set   multipath.PathSet
		found []health.Finding
	}{
		"healthy": {orders(), nil},
		"staging": {orders(pending, joining, func(set *multipath.PathSet) { set.Origin.ClaimName = "" }), nil},
		"cut": {orders(cut(32), reset("R1", after(-60)), func(set *multipath.PathSet) {
			set.Paths[0].Record.LastFailover = after(-1.5)
			set.Paths[0].Record.Exact = false
		}), []health.Finding{lost}},
		"unsupported": {orders(func(set *multipath.PathSet) {
			for i := range set.Paths {
				set.Paths[i].Record, set.Paths[i].ControllerRecord, set.Paths[i].Source = ledger.Record{}, ledger.Record{}, nvme.SourceUnsupported
				set.Paths[i].SourceReason = "failovers cannot be counted by BPF: fentry: not permitted"
			}
			set.Head = nil
		}), nil},
		"foreign": {orders(func(set *multipath.PathSet) {
			p := path(way("192.0.2.9"), "nvme7", "nvme0c7n1")
			p.Expected, p.Key = false, "tcp://192.0.2.9:4420?host_iface=eth9"
			set.Paths = append(set.Paths, p)
			set.Paths[1].State, set.Paths[1].Controller, set.Paths[1].Name = nvme.StateAbsent, "", ""
			set.Paths[1].ConnectError = "connection refused"
		}), []health.Finding{lost}},
	} {
		t.Run(name, func(t *testing.T) {
			status := statusOf(v1alpha1.NVMePathSetStatus{}, "native", &tc.set, tc.found, after(0.7))
			got, err := yaml.Marshal(map[string]any{"spec": specOf(testNode, &tc.set), "status": status})
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".yaml")
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", golden, diff)
			}
		})
	}
}

// TestReportOfNonsense: what targets, errors and counters read must fit what
// the API takes, or nothing is reported at all.
func TestReportOfNonsense(t *testing.T) {
	long := strings.Repeat("ü", 2000)
	set := orders(cut(1<<64-1), func(set *multipath.PathSet) {
		p := &set.Paths[0]
		p.Key, p.Controller, p.State, p.ConnectError = "tcp://\xff\x1b[2J"+long, long, nvme.ControllerState(long), "a\nb"+long
		set.Paths[1].Record.Tallies[nvme.Failovers] = ledger.Tally{SinceReset: 7, Lifetime: 7}
		set.Device.Name, set.IOPolicy = long, nvme.IOPolicy(long)
		set.HostNQN, set.HostID = nvme.NQN(long), long
		for len(set.Paths) < 100 {
			set.Paths = append(set.Paths, path(way("192.0.2.3"), "nvme3", "nvme0c3n1"))
		}
	})
	s := statusOf(v1alpha1.NVMePathSetStatus{}, "native", &set, nil, noon)
	p := s.Paths[0]
	for _, f := range []struct {
		name, value string
		limit       int
	}{
		{"address", p.Address, 256}, {"controller", p.Controller, 64}, {"controllerState", p.ControllerState, 32},
		{"connectError", p.ConnectError, 1024}, {"device", s.Device, 64}, {"ioPolicy", s.IOPolicy, 32},
		{"hostNQN", s.HostNQN, 223}, {"hostID", s.HostID, 64},
	} {
		if len(f.value) > f.limit || f.value == "" || strings.ToValidUTF8(f.value, "") != f.value || strings.ContainsAny(f.value, "\n\x1b") {
			t.Errorf("%s has %d bytes, at most %d are allowed: %q", f.name, len(f.value), f.limit, f.value)
		}
	}
	if len(s.Paths) != maxPaths {
		t.Errorf("%d paths, want %d", len(s.Paths), maxPaths)
	}
	if *s.Failovers < 0 || p.Failovers.Lifetime < 0 {
		t.Errorf("failovers %d, of the path %+v, wrapped", *s.Failovers, *p.Failovers)
	}
}

// TestApplied: an apply configuration has all that the value has, zeros too.
func TestApplied(t *testing.T) {
	set := orders(cut(32), reset("R1", noon))
	ac, err := pathSetStatus("a", statusOf(v1alpha1.NVMePathSetStatus{}, "native", &set, []health.Finding{lost}, noon))
	if err != nil {
		t.Fatal(err)
	}
	got, err := yaml.Marshal(ac.Status)
	if err != nil {
		t.Fatal(err)
	}
	want, err := yaml.Marshal(statusOf(v1alpha1.NVMePathSetStatus{}, "native", &set, []health.Finding{lost}, noon))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("(-status +applied):\n%s", diff)
	}
	if p := ac.Status.Paths[0]; p.Usable == nil || *p.Usable || p.Errors == nil || *p.Errors.Lifetime != 0 {
		t.Errorf("zeros were left out of %+v", p)
	}
}

// TestTimesAreWhole: the API keeps seconds, and what it gives back must equal
// what was written.
func TestTimesAreWhole(t *testing.T) {
	if got := stamp(noon.Add(999 * time.Millisecond)); !got.Time.Equal(noon) {
		t.Errorf("got %s, want %s", got, noon)
	}
	if got := stamp(time.Time{}); got != nil {
		t.Errorf("no time is %s", got)
	}
}
