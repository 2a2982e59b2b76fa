package native

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/nvme"
)

// requestCount counts what else becomes of a path's requests, by the diskseq of
// its disk. It begins with the count of failovers and stays beside it; it may be
// impossible where that one is not.
type requestCount struct {
	counter nvme.Counter
	attach  func() (KernelCounter, error) // nil: switched off
	count   KernelCounter                 // nil: there is none
}

// requestCounts are those there may be.
type requestCounts []*requestCount

func (r requestCounts) begin(ctx context.Context) {
	for _, c := range r {
		if c.attach == nil {
			continue
		}
		var err error
		if c.count, err = c.attach(); err != nil {
			c.count = nil
			klog.FromContext(ctx).Info("Not everything is counted by BPF", "counter", c.counter, "reason", err.Error())
		}
	}
}

// read adds what there is to counts, and returns how many are in none of them.
func (r requestCounts) read(counts lives) (missed uint64, err error) {
	for c := range r.counting() {
		if counts[c.counter], err = c.count.Counts(); err != nil {
			return 0, err
		}
		n, err := c.count.Missed()
		if err != nil {
			return 0, fmt.Errorf("%s that were missed: %w", c.counter, err)
		}
		missed += n
	}
	return missed, nil
}

func (r requestCounts) forget(counts lives, live func(uint64) bool) error {
	var errs []error
	for c := range r.counting() {
		errs = append(errs, c.count.Forget(counts[c.counter], live))
	}
	return errors.Join(errs...)
}

func (r requestCounts) end() {
	for c := range r.counting() {
		_ = c.count.Close() // the kernel ends it with the process at the latest
		c.count = nil
	}
}

// counting are those there are.
func (r requestCounts) counting() func(yield func(*requestCount) bool) {
	return func(yield func(*requestCount) bool) {
		for _, c := range r {
			if c.count != nil && !yield(c) {
				return
			}
		}
	}
}

// lives are counts of several kinds, by the diskseq of a path's disk.
type lives map[nvme.Counter]map[uint64]uint64

// of are the counts of one disk.
func (l lives) of(diskseq uint64) nvme.Counters {
	all := nvme.Counters{}
	for c, counts := range l {
		all[c] = counts[diskseq]
	}
	return all
}

// besideAttributes are the counts of one disk that are of the same events as
// the kernel's attributes. Errors are not: of flushes that shared a command the
// kernel counts the command, and BPF each.
func (l lives) besideAttributes(diskseq uint64) nvme.Counters {
	all := l.of(diskseq)
	delete(all, nvme.Errors)
	return all
}
