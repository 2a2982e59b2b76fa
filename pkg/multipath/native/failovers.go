package native

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

// KernelCounter counts in the kernel beside its own attributes, by a number that
// names the life of a disk or a controller.
type KernelCounter interface {
	// ID names the count: one that begins anew has another, in one boot.
	ID() uint32
	Counts() (map[uint64]uint64, error)
	// Missed is how many are in no count.
	Missed() (uint64, error)
	// Forget drops the oldest counts of lives that are over.
	Forget(counts map[uint64]uint64, live func(life uint64) bool) error
	Close() error
}

// FailoverCounter counts failovers, by the diskseq of a path's disk
// (bpf.Failovers).
type FailoverCounter interface {
	KernelCounter
	// Watch calls look whenever requests have failed over, until ctx ends.
	Watch(ctx context.Context, look func()) error
}

// failovers is the engine's use of such a count.
//
//	no nvme_core --> attaching --> counting
//	      ^             |             |  nvme_core was unloaded, which a program
//	      |             |             |  keeps from happening, but a kprobe does not
//	  next scan <-------|-------------+
//	                    +--------> unsupported, as long as nvme_core stays: the
//	                               reason is logged, and shown with the paths
type failovers struct {
	attach func() (FailoverCounter, error)
	// began has the newest count, for watch.
	began chan runningCount

	mu       sync.Mutex    // guards what follows
	count    *runningCount // nil: there is none
	requests requestCounts
	module   uint64 // of nvme_core when it was tried; 0: it was not
	reason   string // why there is no count
}

// runningCount is a count that has not ended.
type runningCount struct {
	FailoverCounter
	ended chan struct{}
}

// begin attaches the count as soon as there is something to attach it to. It
// comes before the scan: no path is seen that was not counted from then on.
func (f *failovers) begin(ctx context.Context, sysfs string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.attach == nil {
		f.reason = "counting by BPF is switched off"
		return
	}
	var module unix.Stat_t
	if err := unix.Stat(filepath.Join(sysfs, "module/nvme_core"), &module); err != nil {
		module.Ino = 0
	}
	if module.Ino == f.module && module.Ino != 0 {
		return
	}
	f.end() // what it was attached to is gone
	f.module = module.Ino
	if f.module == 0 {
		f.reason = "kernel module nvme_core is not loaded"
		return
	}
	log := klog.FromContext(ctx)
	count, err := f.attach()
	if err != nil {
		f.reason = err.Error()
		log.Info("Failovers are counted where the kernel does it, and only there", "reason", f.reason)
		return
	}
	f.count, f.reason = &runningCount{count, make(chan struct{})}, ""
	f.requests.begin(ctx)
	select {
	case <-f.began: // nobody has watched it
	default:
	}
	f.began <- *f.count
	log.Info("Counting failovers by BPF", "count", count.ID())
}

// watch calls look whenever requests have failed over, from when there is a
// count on and until ctx ends.
func (f *failovers) watch(ctx context.Context, look func()) error {
	for {
		select {
		case count := <-f.began:
			if err := count.watch(ctx, look); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// watch does so until the count ends, or ctx.
func (c runningCount) watch(ctx context.Context, look func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-c.ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	return c.Watch(ctx, look)
}

// enter adds the counts to what a scan saw. They are read after the attributes,
// as the ledger wants it of a witness.
func (f *failovers) enter(obs *multipath.Observation, bootID string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count == nil {
		for p := range paths(obs) {
			if p.Source == nvme.SourceUnsupported {
				p.SourceReason = f.reason
			}
		}
		return nil
	}
	counts, missed, err := f.read()
	if err != nil {
		return err
	}
	epoch := fmt.Sprintf("%s/bpf/%d", bootID, f.count.ID())
	account := func(c nvme.Counters) *ledger.Witness {
		return &ledger.Witness{Epoch: epoch, Counters: c, Exact: missed == 0}
	}
	live := map[uint64]bool{}
	for p := range paths(obs) {
		diskseq, err := diskseqOf(p.Epoch)
		if err != nil {
			return err
		}
		live[diskseq] = true
		if p.Source == nvme.SourceKernelAttribute {
			p.Source, p.Witness = nvme.SourceBoth, account(counts.besideAttributes(diskseq))
			continue
		}
		p.Source, p.Epoch, p.Counters, p.Exact = nvme.SourceBPF, lifeIn(epoch, diskseq), counts.of(diskseq), missed == 0
	}
	obs.Ended = map[string]*ledger.Witness{}
	for _, ended := range counts {
		for diskseq := range ended {
			if !live[diskseq] {
				obs.Ended[diskEpoch(bootID, diskseq)] = account(counts.besideAttributes(diskseq))
				obs.Ended[lifeIn(epoch, diskseq)] = account(counts.of(diskseq))
			}
		}
	}
	goesOn := func(diskseq uint64) bool { return live[diskseq] }
	return errors.Join(f.count.Forget(counts[nvme.Failovers], goesOn), f.requests.forget(counts, goesOn))
}

// read reads all counts, and how many are in none of them.
func (f *failovers) read() (counts lives, missed uint64, err error) {
	counts = lives{}
	if missed, err = f.requests.read(counts); err != nil {
		return nil, 0, err
	}
	if counts[nvme.Failovers], err = f.count.Counts(); err != nil {
		return nil, 0, err
	}
	n, err := f.count.Missed()
	if err != nil {
		return nil, 0, fmt.Errorf("failovers that were missed: %w", err)
	}
	return counts, missed + n, nil
}

// lifeIn is the epoch of a disk's count in the epoch of all counts.
func lifeIn(epoch string, diskseq uint64) string { return fmt.Sprintf("%s/disk/%d", epoch, diskseq) }

// diskseqOf takes the diskseq out of a disk's epoch.
func diskseqOf(epoch string) (uint64, error) {
	_, number, ok := strings.Cut(epoch, "/disk/")
	if !ok {
		return 0, fmt.Errorf("%q is no disk's epoch", epoch)
	}
	return strconv.ParseUint(number, 10, 64)
}

// paths goes over all paths of an observation.
func paths(obs *multipath.Observation) func(yield func(*multipath.HeadPath) bool) {
	return func(yield func(*multipath.HeadPath) bool) {
		for i := range obs.Subsystems {
			for j := range obs.Subsystems[i].Heads {
				for k := range obs.Subsystems[i].Heads[j].Paths {
					if !yield(&obs.Subsystems[i].Heads[j].Paths[k]) {
						return
					}
				}
			}
		}
	}
}

// close ends the count. Nobody observes or watches any more.
func (f *failovers) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.end()
}

// end ends all counts. Called with the mutex held.
func (f *failovers) end() {
	if f.count == nil {
		return
	}
	close(f.count.ended)
	_ = f.count.Close() // the kernel ends it with the process at the latest
	f.count = nil
	f.requests.end()
}
