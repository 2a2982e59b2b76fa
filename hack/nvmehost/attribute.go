package nvmehost

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// The kernel's counters, as it calls them (Linux 7.2, the diag groups).
const (
	Failovers  = "multipath_failover_count"
	Retries    = "command_retries_count"
	Errors     = "command_error_count"
	Requeues   = "io_requeue_no_usable_path_count"
	Failures   = "io_fail_no_available_path_count"
	Resets     = "reset_count"
	Reconnects = "reconnect_count"
)

// ErrNoCounters means the kernel does not count, which is not zero.
var ErrNoCounters = errors.New("kernel has no such counter (they came with 7.2)")

// counterFile is a counter of what has the folder dir in sysfs.
func counterFile(dir, name string) string { return filepath.Join(dir, "diag", name) }

func readCounter(dir, name string) (uint64, error) {
	s, err := readAttribute(counterFile(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(dir); err != nil {
			return 0, err
		}
		return 0, fmt.Errorf("%s of %s: %w", name, filepath.Base(dir), ErrNoCounters)
	}
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(s, 10, 64)
}

func readAttribute(file string) (string, error) {
	b, err := os.ReadFile(file)
	return strings.TrimSpace(string(b)), err
}
