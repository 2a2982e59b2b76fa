package machines

import (
	"path/filepath"
	"testing"
	"time"
)

// TestCrashReboot cuts the power of a node in the middle of each call that
// changes something, at every step there is. What a power cut leaves is taken
// from a machine that goes through all steps; the node after the reboot is
// another machine (e2e/reboot_test.go).
func TestCrashReboot(t *testing.T) {
	binary := compile(t, "machines")
	left := artifacts(t, "reboot")
	for _, m := range []struct {
		scenario string
		machine
	}{
		{"TestRebootBefore", machine{artifacts: left}},
		{"TestRebootAfter", machine{add: []string{filepath.Join(left, "reboot") + "=/reboot"}, artifacts: artifacts(t, "rebooted")}},
	} {
		m.kernel, m.binary, m.timeout = "newest", binary, 30*time.Minute
		r, err := m.run(t.Context(), "^"+m.scenario+"$", "")
		for _, e := range r.ends {
			t.Logf("%s: %s after %s\n%s", e.name, e.result, e.took, e.output)
			if e.result != "PASS" {
				t.Errorf("%s: %s", e.name, e.result)
			}
		}
		if err != nil {
			t.Error(err)
		}
		if t.Failed() {
			return
		}
	}
}
