package e2e

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// kernelAtLeast tells whether the guest's kernel is that release or newer.
func kernelAtLeast(t *testing.T, major, minor int) bool {
	t.Helper()
	var uts unix.Utsname
	must(t, unix.Uname(&uts))
	release := unix.ByteSliceToString(uts.Release[:])
	var haveMajor, haveMinor int
	if _, err := fmt.Sscanf(release, "%d.%d", &haveMajor, &haveMinor); err != nil {
		t.Fatalf("kernel release %q: %v", release, err)
	}
	return haveMajor > major || haveMajor == major && haveMinor >= minor
}
