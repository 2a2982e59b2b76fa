// Package e2e tests against the kernel's own NVMe host and target. Its tests run
// in a guest: go test -exec "braid-vm exec" ./e2e -v
package e2e

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/guest"
)

func TestMain(m *testing.M) {
	if !guest.Inside() {
		fmt.Println(`e2e: skipped, not in a guest: go test -exec "braid-vm exec" ./e2e`)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// cleanup reports what goes wrong while taking things down: leftovers would
// fail the next test instead of this one.
func cleanup(t *testing.T, f func() error) {
	t.Cleanup(func() {
		if err := f(); err != nil {
			t.Errorf("cleaning up: %v", err)
		}
	})
}

// stopwatch logs how far the test is, and when.
func stopwatch(t *testing.T) func(format string, args ...any) {
	start := time.Now()
	if up, err := os.ReadFile("/proc/uptime"); err == nil {
		var seconds float64
		fmt.Sscan(string(up), &seconds)
		t.Logf("guest up for %.2f s", seconds)
	}
	return func(format string, args ...any) {
		t.Helper()
		t.Logf("%7.3f s  %s", time.Since(start).Seconds(), fmt.Sprintf(format, args...))
	}
}
