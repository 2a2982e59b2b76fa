// Package e2e has the scenarios: braid-node as a process, the kernel's own NVMe
// host and target, and real I/O. They run in a guest, by make e2e.
//
// A scenario begins with newScene, which builds everything anew, and ends with
// nothingLeft or ledgerLeft. In between it breaks something and says what
// braid-node must make of it. There are no skips and no sleeps: what cannot run
// fails, and what takes time is waited for with a deadline.
package e2e

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/guest"
	"github.com/braid-csi/braid/hack/nvmehost"
)

// TestMain keeps scenarios off the machine they are built on: they load
// modules, connect controllers and break networks.
func TestMain(m *testing.M) {
	if !guest.Inside() {
		fmt.Println("e2e: nothing was tested, this is not a guest: make e2e")
		os.Exit(0)
	}
	has, err := nvmehost.Kernel()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("e2e:", has)
	os.Exit(m.Run())
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// cleanup reports what goes wrong while taking things down: leftovers would
// fail the next test instead of this one.
func cleanup(t testing.TB, f func() error) {
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
		_, err = fmt.Sscan(string(up), &seconds)
		must(t, err)
		t.Logf("guest up for %.2f s", seconds)
	}
	return func(format string, args ...any) {
		t.Helper()
		t.Logf("%7.3f s  %s", time.Since(start).Seconds(), fmt.Sprintf(format, args...))
	}
}
