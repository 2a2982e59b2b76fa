package nvmehost

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// Path is one way to a namespace: a hidden disk nvmeScCnN below controller C.
type Path struct {
	name       string
	Controller Controller
}

func (p Path) String() string { return p.name }

// MarshalText gives the name, which has all there is to know.
func (p Path) MarshalText() ([]byte, error) { return []byte(p.name), nil }

// UnmarshalText takes a name.
func (p *Path) UnmarshalText(name []byte) error {
	m := pathName.FindSubmatch(name)
	if m == nil {
		return fmt.Errorf("%q is not the name of a path", name)
	}
	instance, err := strconv.Atoi(string(m[2]))
	*p = Path{string(name), Controller{instance}}
	return err
}

// Dir is the path's folder in sysfs.
func (p Path) Dir() string { return filepath.Join("/sys/block", p.name) }

// ANAState is the path's ANA state.
func (p Path) ANAState() (string, error) {
	return readAttribute(filepath.Join(p.Dir(), "ana_state"))
}

// Counter reads one of the path's diagnostic counters.
func (p Path) Counter(name string) (uint64, error) { return readCounter(p.Dir(), name) }

// SetCounter writes one, as any tool on a node may.
func (p Path) SetCounter(name string, value uint64) error {
	return os.WriteFile(p.CounterFile(name), []byte(strconv.FormatUint(value, 10)), 0)
}

// CounterFile is the counter's attribute in sysfs.
func (p Path) CounterFile(name string) string { return counterFile(p.Dir(), name) }

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

// DiskSeq is the sequence number of the path's disk, which no other disk of
// this boot has.
func (p Path) DiskSeq() (uint64, error) {
	s, err := readAttribute(filepath.Join(p.Dir(), "diskseq"))
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(s, 10, 64)
}
