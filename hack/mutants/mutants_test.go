package mutants

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// mutant is a braid-node that does something wrong.
type mutant struct {
	// file, in the repository, has from in one place; it becomes to.
	file, from, to string
	// scenario is what notices, and says so as red does.
	scenario, red string
}

var mutants = map[string]mutant{
	"failovers are not counted": {
		file:     "pkg/multipath/ledger/merge.go",
		from:     "SinceReset: sum(t.SinceReset, delta), Lifetime: sum(t.Lifetime, delta)}",
		to:       "SinceReset: sum(t.SinceReset, 0*delta), Lifetime: sum(t.Lifetime, 0*delta)}",
		scenario: "TestRemediationFlappingPath", red: "waiting for the path to be lost, and called flapping",
	},
	"the last path is not spared": {
		file:     "pkg/remediation/permit.go",
		from:     "DependsOn(alone, s.usable); head != nil {",
		to:       `DependsOn(alone, s.usable); head != nil && head.Name == "" {`,
		scenario: "TestRemediationLastUsablePath", red: "LastUsablePath",
	},
	"counters are not reset": {
		file:     "pkg/multipath/reset.go",
		from:     "writeErr := l.engine.ResetCounters(s.Name, *head)",
		to:       "var writeErr error",
		scenario: "TestRemediationFlappingPath", red: "the kernel has [0-9]+ failovers of .* after the reset",
	},
	"what the network says is ignored": {
		file:     "pkg/multipath/stall/watch.go",
		from:     "c.HangsSince = c.doneAt",
		to:       "c.HangsSince, c.Connections = c.doneAt, multipath.Silent",
		scenario: "TestRemediationMTUGrey", red: "asks for .KickConnection",
	},
}

// root is the repository's, from here.
const root = "../.."

// TestMutants wants every mutant to be noticed.
func TestMutants(t *testing.T) {
	for name, m := range mutants {
		t.Run(name, func(t *testing.T) {
			program := m.build(t)
			scenario := exec.CommandContext(t.Context(), "go", "test", "../e2e/kubernetes", "-count=1", "-v", "-timeout=30m", "-run", "^"+m.scenario+"$")
			scenario.Env = append(os.Environ(), "BRAID_NODE="+program)
			out, err := scenario.CombinedOutput()
			switch ended, words := strings.Contains(string(out), "--- FAIL: "+m.scenario), regexp.MustCompile(m.red).Match(out); {
			case err == nil:
				t.Errorf("%s has not noticed", m.scenario)
			case !ended || !words:
				t.Errorf("%s failed (%t) with %v, but not with the words %q:\n%s", m.scenario, ended, err, m.red, out)
			}
		})
	}
}

// build compiles the mutant.
func (m mutant) build(t *testing.T) (program string) {
	t.Helper()
	file, err := filepath.Abs(filepath.Join(root, m.file))
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), m.from); n != 1 {
		t.Fatalf("%s has %d places with %q, want 1", m.file, n, m.from)
	}
	dir := t.TempDir()
	changed, overlay, program := filepath.Join(dir, "changed.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "braid-node")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{file: changed}})
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string]string{changed: strings.Replace(string(source), m.from, m.to, 1), overlay: string(replace)} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.CommandContext(t.Context(), "go", "-C", root, "build", "-trimpath", "-overlay", overlay, "-o", program, "./cmd/braid-node")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the mutant: %v\n%s", err, out)
	}
	return program
}
