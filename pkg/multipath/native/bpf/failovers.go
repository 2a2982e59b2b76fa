package bpf

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/cilium/ebpf"
)

// keepGone is how many lives that have ended are kept, the latest.
const keepGone = 1024

// Failovers counts from Attach to Close.
type Failovers struct {
	hook    Hook
	id      uint32
	counts  *ebpf.Map
	events  *ebpf.Map
	program *ebpf.Program
	link    io.Closer
}

// Hook is how the program is attached.
func (f *Failovers) Hook() Hook { return f.hook }

// ID names this count: another Attach begins at zero and has another. It is
// unique in one boot.
func (f *Failovers) ID() uint32 { return f.id }

// Counts returns how many requests failed over from each path since the count
// began, by the diskseq of the path's disk. A path that is absent had none.
// Paths that are gone are in it too, until Forget.
func (f *Failovers) Counts() (map[uint64]uint64, error) {
	counts := map[uint64]uint64{}
	var diskseq, n uint64
	for it := f.counts.Iterate(); ; {
		if !it.Next(&diskseq, &n) {
			if err := it.Err(); err != nil {
				return nil, fmt.Errorf("counts of failovers: %w", err)
			}
			delete(counts, unassigned)
			return counts, nil
		}
		counts[diskseq] = n
	}
}

// Missed returns how many requests are in no path's count. It is 0 unless
// something is wrong.
func (f *Failovers) Missed() (uint64, error) {
	stats, err := f.program.Stats()
	if err != nil {
		return 0, err
	}
	var n uint64
	if err := f.counts.Lookup(uint64(unassigned), &n); err != nil {
		return 0, err
	}
	return n + stats.RecursionMisses, nil
}

// Forget makes room: of the paths that are gone, which live tells, all but the
// latest 1024 are dropped.
func (f *Failovers) Forget(counts map[uint64]uint64, live func(diskseq uint64) bool) error {
	for _, diskseq := range outdated(counts, live) {
		if err := f.counts.Delete(diskseq); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("forget the failovers of disk %d: %w", diskseq, err)
		}
	}
	return nil
}

// outdated returns the diskseqs to forget. They count up, so the smallest is the
// oldest.
func outdated(counts map[uint64]uint64, live func(uint64) bool) []uint64 {
	gone := slices.DeleteFunc(slices.Sorted(maps.Keys(counts)), live)
	return gone[:max(0, len(gone)-keepGone)]
}

// Close stops counting and forgets the counts.
func (f *Failovers) Close() error {
	var errs []error
	if f.link != nil {
		errs = append(errs, f.link.Close())
	}
	if f.program != nil {
		errs = append(errs, f.program.Close())
	}
	for _, m := range []*ebpf.Map{f.counts, f.events} {
		errs = append(errs, m.Close()) // there may be none
	}
	return errors.Join(errs...)
}
