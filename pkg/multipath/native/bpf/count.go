package bpf

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/cilium/ebpf"
)

// maxLives is how many lives of paths, or of controllers, there is room for. The
// map is allocated at once (about 300 KiB), because a program may run where the
// kernel cannot allocate.
const maxLives = 4096

// keepGone is how many lives that have ended are kept, the latest.
const keepGone = 1024

// count is a program that counts by a number that names a life: that of a disk
// or of a controller. Later lives have greater numbers.
type count struct {
	id      uint32
	counts  *ebpf.Map
	program *ebpf.Program
	link    io.Closer
}

func (c *count) makeMap(name string) (err error) {
	c.counts, err = ebpf.NewMap(&ebpf.MapSpec{Name: name, Type: ebpf.Hash, KeySize: 8, ValueSize: 8, MaxEntries: maxLives})
	if err != nil {
		return err
	}
	info, err := c.counts.Info()
	if err != nil {
		return err
	}
	id, ok := info.ID()
	if !ok {
		return errors.New("the kernel gives maps no ID")
	}
	c.id = uint32(id)
	return c.counts.Put(uint64(unassigned), uint64(0))
}

// ID names this count: one that is attached again begins at zero and has
// another. It is unique in one boot.
func (c *count) ID() uint32 { return c.id }

// Counts returns how much was counted since the count began, by life. One that
// is absent had nothing. Those that are over are in it too, until Forget.
func (c *count) Counts() (map[uint64]uint64, error) {
	counts := map[uint64]uint64{}
	var life, n uint64
	for it := c.counts.Iterate(); ; {
		if !it.Next(&life, &n) {
			if err := it.Err(); err != nil {
				return nil, fmt.Errorf("counts of BPF: %w", err)
			}
			delete(counts, unassigned)
			return counts, nil
		}
		counts[life] = n
	}
}

// Missed returns how much is in no life's count. It is 0 unless something is
// wrong.
func (c *count) Missed() (uint64, error) {
	stats, err := c.program.Stats()
	if err != nil {
		return 0, err
	}
	var n uint64
	if err := c.counts.Lookup(uint64(unassigned), &n); err != nil {
		return 0, err
	}
	return n + stats.RecursionMisses, nil
}

// Forget makes room: of the lives that are over, which live tells, all but the
// latest 1024 are dropped.
func (c *count) Forget(counts map[uint64]uint64, live func(life uint64) bool) error {
	for _, life := range outdated(counts, live) {
		if err := c.counts.Delete(life); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("forget the counts of %d: %w", life, err)
		}
	}
	return nil
}

// outdated returns the lives to forget: the smallest is the oldest.
func outdated(counts map[uint64]uint64, live func(uint64) bool) []uint64 {
	gone := slices.DeleteFunc(slices.Sorted(maps.Keys(counts)), live)
	return gone[:max(0, len(gone)-keepGone)]
}

// Close stops counting and forgets the counts.
func (c *count) Close() error {
	var errs []error
	if c.link != nil {
		errs = append(errs, c.link.Close())
	}
	if c.program != nil {
		errs = append(errs, c.program.Close())
	}
	return errors.Join(append(errs, c.counts.Close())...) // there may be none
}
