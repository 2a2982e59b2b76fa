package native

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/nvme"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestObserveCaptures scans every captured tree and compares the whole
// observation with the golden file beside it.
func TestObserveCaptures(t *testing.T) {
	captures, err := filepath.Glob("testdata/*/*.sysfs")
	if err != nil || len(captures) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	for _, capture := range captures {
		t.Run(strings.TrimPrefix(capture, "testdata/"), func(t *testing.T) {
			e := testEngine(t, unpack(t, capture))
			got, err := e.Observe(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			normalise(t, e, got)
			golden := strings.TrimSuffix(capture, ".sysfs") + ".golden.json"
			if *update {
				b, err := json.MarshalIndent(got, "", " ")
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(golden, append(b, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			b, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			var want multipath.Observation
			if err := json.Unmarshal(b, &want); err != nil {
				t.Fatalf("%s: %v", golden, err)
			}
			if diff := cmp.Diff(&want, got); diff != "" {
				t.Errorf("observation of %s (-want +got):\n%s", capture, diff)
			}
		})
	}
}

// normalise replaces what depends on where the tree was unpacked: the time,
// the device directory and the inodes in the controllers' epochs, which it
// checks to be there and distinct.
func normalise(t *testing.T, e *Engine, obs *multipath.Observation) {
	t.Helper()
	if obs.At.IsZero() {
		t.Error("the observation has no time")
	}
	obs.At = time.Time{}
	seen := map[string]bool{}
	for i := range obs.Subsystems {
		s := &obs.Subsystems[i]
		for j := range s.Controllers {
			c := &s.Controllers[j]
			if _, err := inodeOf(c.Epoch); err != nil || !strings.HasPrefix(c.Epoch, testBootID) || seen[c.Epoch] {
				t.Errorf("epoch of %s: %q", c.Name, c.Epoch)
			}
			seen[c.Epoch] = true
			c.Epoch = "controller"
		}
		for j := range s.Heads {
			s.Heads[j].Device = strings.TrimPrefix(s.Heads[j].Device, e.dev)
		}
	}
}

// TestObserveOdd: what a kernel or a target may show besides the usual.
func TestObserveOdd(t *testing.T) {
	controller := map[string]string{
		"class/nvme-subsystem/nvme-subsys0/subsysnqn":       "nqn.2026-11.dev.braid:odd\n",
		"class/nvme-subsystem/nvme-subsys0/nvme0/.keep":     "",
		"class/nvme/nvme0/transport":                        "tcp\n",
		"class/nvme/nvme0/state":                            "live\n",
		"class/nvme/nvme0/address":                          "traddr=192.0.2.1,trsvcid=4420\n",
		"class/nvme-subsystem/nvme-subsys0/nvme0n1/dev":     "259:0\n",
		"class/nvme-subsystem/nvme-subsys0/nvme0n1/size":    "8\n",
		"class/nvme-subsystem/nvme-subsys0/nvme0n1/diskseq": "7\n",
		"class/nvme/nvme0/nvme0c0n1/size":                   "8\n",
		"class/nvme/nvme0/nvme0c0n1/diskseq":                "8\n",
	}
	for _, tc := range []struct {
		name   string
		change map[string]string // "" removes
		check  func(t *testing.T, obs *multipath.Observation, err error)
	}{
		{"no counters", nil, func(t *testing.T, obs *multipath.Observation, err error) {
			p := path(t, obs, err)
			if p.Source != nvme.SourceUnsupported || p.Counters != nil {
				t.Errorf("source %s, counters %v, want Unsupported and none", p.Source, p.Counters)
			}
		}},
		{"flat counter", map[string]string{"class/nvme/nvme0/nvme0c0n1/multipath_failover_count": "12\n"},
			func(t *testing.T, obs *multipath.Observation, err error) {
				p := path(t, obs, err)
				if p.Source != nvme.SourceKernelAttribute || p.Counters[nvme.Failovers] != 12 || p.Exact {
					t.Errorf("got %+v, want 12 failovers, not exact", p)
				}
			}},
		{"largest counter", map[string]string{"class/nvme/nvme0/nvme0c0n1/diag/multipath_failover_count": "18446744073709551615\n"},
			func(t *testing.T, obs *multipath.Observation, err error) {
				if p := path(t, obs, err); p.Counters[nvme.Failovers] != ^uint64(0) {
					t.Errorf("got %d", p.Counters[nvme.Failovers])
				}
			}},
		{"a counter that is no number", map[string]string{"class/nvme/nvme0/nvme0c0n1/diag/multipath_failover_count": "many\n"},
			func(t *testing.T, _ *multipath.Observation, err error) {
				if err == nil || !strings.Contains(err.Error(), `"many"`) {
					t.Errorf("error %v, want one that names the value", err)
				}
			}},
		{"states of a later kernel", map[string]string{"class/nvme/nvme0/state": "dreaming\n", "class/nvme/nvme0/nvme0c0n1/ana_state": "odd\n"},
			func(t *testing.T, obs *multipath.Observation, err error) {
				p := path(t, obs, err)
				if c := obs.Subsystems[0].Controllers[0]; c.State != nvme.StateUnknown || p.ANAState != nvme.ANAUnknown {
					t.Errorf("state %s, ANA %s, want unknown", c.State, p.ANAState)
				}
			}},
		{"the controller goes in mid-scan", map[string]string{"class/nvme/nvme0/state": ""},
			func(t *testing.T, obs *multipath.Observation, err error) {
				if err != nil || len(obs.Subsystems) != 0 {
					t.Errorf("got %+v, %v, want nothing", obs, err)
				}
			}},
		{"PCIe is not ours", map[string]string{"class/nvme/nvme0/transport": "pcie\n"},
			func(t *testing.T, obs *multipath.Observation, err error) {
				if err != nil || len(obs.Subsystems) != 0 {
					t.Errorf("got %+v, %v, want nothing", obs, err)
				}
			}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root := t.TempDir()
			for name, content := range controller {
				put(t, root, name, content)
			}
			for name, content := range tc.change {
				if content == "" {
					if err := os.Remove(filepath.Join(root, name)); err != nil {
						t.Fatal(err)
					}
					continue
				}
				put(t, root, name, content)
			}
			obs, err := testEngine(t, root).Observe(t.Context())
			tc.check(t, obs, err)
		})
	}
}

// path returns the only path of an observation.
func path(t *testing.T, obs *multipath.Observation, err error) multipath.HeadPath {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if len(obs.Subsystems) != 1 || len(obs.Subsystems[0].Heads) != 1 || len(obs.Subsystems[0].Heads[0].Paths) != 1 {
		t.Fatalf("observation %+v, want one path", obs)
	}
	return obs.Subsystems[0].Heads[0].Paths[0]
}

// TestRereadFollowsTheName: a file that stays open must not answer for a
// device that was made anew. (A removed file stays readable here, unlike in
// sysfs, where it reads ENODEV; so this shows what closing does.)
func TestRereadForgetsUnread(t *testing.T) {
	root := t.TempDir()
	put(t, root, "state", "live\n")
	a := newAttributes(root)
	defer a.close()
	if s, err := a.reread("state"); err != nil || s != "live" {
		t.Fatalf("reread: %q, %v", s, err)
	}
	a.endScan()
	if len(a.open) != 1 {
		t.Errorf("%d files open after the scan that read one", len(a.open))
	}
	a.endScan()
	if len(a.open) != 0 {
		t.Errorf("%d files open after a scan that read none", len(a.open))
	}
}

// BenchmarkAttributes shows what keeping files open is worth: the ratio is that
// of its time to the time of opening the file for every reading.
func BenchmarkAttributes(b *testing.B) {
	a := newAttributes("/sys")
	defer a.close()
	const attribute = "kernel/mm/transparent_hugepage/enabled"
	perRead := func(b *testing.B, read func(...string) (string, error)) float64 {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := read(attribute); err != nil {
				b.Fatal(err)
			}
		}
		return float64(b.Elapsed()) / float64(b.N)
	}
	var opened float64
	b.Run("opened", func(b *testing.B) { opened = perRead(b, a.read) })
	b.Run("kept-open", func(b *testing.B) { b.ReportMetric(perRead(b, a.reread)/opened, "ratio") })
}
