package native

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

// resets is the engine's use of a count of controllers' resets, by the inodes of
// their directories (bpf.Resets). It begins where a controller is seen whose
// resets the kernel does not count.
type resets struct {
	attach func() (KernelCounter, error)

	mu    sync.Mutex // guards what follows
	count KernelCounter
	tried bool
}

func (r *resets) enter(ctx context.Context, obs *multipath.Observation, bootID string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	uncounted := map[uint64]*multipath.Controller{}
	for i := range obs.Subsystems {
		for j := range obs.Subsystems[i].Controllers {
			c := &obs.Subsystems[i].Controllers[j]
			if _, ok := c.Counters[nvme.Resets]; ok {
				continue
			}
			inode, err := inodeOf(c.Epoch)
			if err != nil {
				return err
			}
			uncounted[inode] = c
		}
	}
	if len(uncounted) == 0 || !r.begin(ctx) {
		return nil
	}
	counts, err := r.count.Counts()
	if err != nil {
		return err
	}
	missed, err := r.count.Missed()
	if err != nil {
		return fmt.Errorf("resets that were missed: %w", err)
	}
	for inode, c := range uncounted {
		c.Beside = &ledger.Witness{
			Epoch:    fmt.Sprintf("%s/bpf/%d/controller/%d", bootID, r.count.ID(), inode),
			Counters: nvme.Counters{nvme.Resets: counts[inode]}, Exact: missed == 0,
		}
	}
	return r.count.Forget(counts, func(inode uint64) bool { return uncounted[inode] != nil })
}

// begin attaches the count, and tells whether there is one.
func (r *resets) begin(ctx context.Context) bool {
	if !r.tried && r.attach != nil {
		var err error
		if r.count, err = r.attach(); err != nil {
			r.count = nil
			klog.FromContext(ctx).Info("Resets of controllers are not counted", "reason", err.Error())
		}
	}
	r.tried = true
	return r.count != nil
}

func (r *resets) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count != nil {
		_ = r.count.Close() // the kernel ends it with the process at the latest
	}
}
