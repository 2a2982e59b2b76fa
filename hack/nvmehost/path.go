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

// Path is one way to a namespace: a hidden disk nvmeScCnN below controller C.
type Path struct {
	name       string
	Controller Controller
}

func (p Path) String() string { return p.name }

// Dir is the path's folder in sysfs.
func (p Path) Dir() string { return filepath.Join("/sys/block", p.name) }

// ANAState is the path's ANA state.
func (p Path) ANAState() (string, error) {
	b, err := os.ReadFile(filepath.Join(p.Dir(), "ana_state"))
	return strings.TrimSpace(string(b)), err
}

// ErrNoCounters means the kernel does not count, which is not zero.
var ErrNoCounters = errors.New("kernel has no such counter (they came with 7.2)")

// Counter reads one of the path's diagnostic counters.
func (p Path) Counter(name string) (uint64, error) {
	b, err := os.ReadFile(filepath.Join(p.Dir(), "diag", name))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%s of %s: %w", name, p, ErrNoCounters)
	}
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
}

// Inflight is how many requests the path carries right now.
func (p Path) Inflight() (int, error) {
	b, err := os.ReadFile(filepath.Join(p.Dir(), "inflight"))
	if err != nil {
		return 0, err
	}
	var reads, writes int
	if _, err := fmt.Sscan(string(b), &reads, &writes); err != nil {
		return 0, fmt.Errorf("inflight of %s: %q: %w", p, b, err)
	}
	return reads + writes, nil
}
