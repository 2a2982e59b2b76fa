package mutants

import (
	"encoding/json"
	"fmt"
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
	// scenario is what notices, and says so as red does. It is one on Kubernetes,
	// or in a VM with Braid's layer in the test's process.
	scenario, red string
	inVM          bool
}

var mutants = map[string]mutant{
	"failovers are not counted": { // by neither of the two accounts
		file: "pkg/multipath/ledger/merge.go", from: "return a + b", to: "return a + 0*b",
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
		file:     "pkg/remediation/fault.go",
		from:     "case s.Evidence[path.Controller].Connections == multipath.Silent:",
		to:       "case !s.Evidence[path.Controller].HangsSince.IsZero():",
		scenario: "TestRemediationSlowPort", red: "done: .*KickConnection", inVM: true,
	},
}

// root is the repository's, from here.
const root = "../.."

// TestMutants wants every mutant to be noticed.
func TestMutants(t *testing.T) {
	for name, m := range mutants {
		t.Run(name, func(t *testing.T) {
			scenario := m.run(t)
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

// run is the command that runs the scenario with the mutant.
func (m mutant) run(t *testing.T) *exec.Cmd {
	t.Helper()
	args := []string{"test", "-count=1", "-v", "-timeout=30m", "-run", "^" + m.scenario + "$"}
	overlay := m.overlay(t)
	if m.inVM {
		bin := abs(t, root+"/bin")
		inVM := fmt.Sprintf("%s/braid-vm exec -kernel newest -add %s/braid-node=/usr/bin/braid-node", bin, bin)
		return exec.CommandContext(t.Context(), "go", append(args, "-overlay", overlay, "-exec", inVM, "../e2e")...)
	}
	program := filepath.Join(t.TempDir(), "braid-node")
	build := exec.CommandContext(t.Context(), "go", "-C", root, "build", "-trimpath", "-overlay", overlay, "-o", program, "./cmd/braid-node")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the mutant: %v\n%s", err, out)
	}
	scenario := exec.CommandContext(t.Context(), "go", append(args, "../e2e/kubernetes")...)
	scenario.Env = append(os.Environ(), "BRAID_NODE="+program)
	return scenario
}

// overlay writes the change, and what lays it over the source.
func (m mutant) overlay(t *testing.T) string {
	t.Helper()
	file := abs(t, filepath.Join(root, m.file))
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), m.from); n != 1 {
		t.Fatalf("%s has %d places with %q, want 1", m.file, n, m.from)
	}
	dir := t.TempDir()
	changed, overlay := filepath.Join(dir, "changed.go"), filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{file: changed}})
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string]string{changed: strings.Replace(string(source), m.from, m.to, 1), overlay: string(replace)} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return overlay
}

func abs(t *testing.T, path string) string {
	t.Helper()
	full, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return full
}
