package head

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/host"
	"github.com/braid-csi/braid/pkg/nvme"
)

// Head is a namespace over several paths. All methods may be called at any
// time, by anybody.
type Head struct {
	ctx context.Context // for logging
	cfg Config
	ids []nvme.NamespaceID
	// subsystem has it open.
	subsystem *Subsystem
	told      bool // that something is held; of requeue alone

	geometry atomic.Pointer[geometry]
	paths    atomic.Pointer[[]*Path] // replaced, never changed
	current  atomic.Pointer[Path]    // of the last request, for round-robin
	doubts   *doubts

	requeues, failures atomic.Uint64
	pending            atomic.Int64 // requests between Submit and Done
	closed             atomic.Bool
	wake               chan struct{}
	ended              chan struct{} // closed with the last request of a head that was closed

	mu      sync.Mutex // guards what follows
	waiting [waitStates]list
	kicked  bool // parked requests are to look for a path again
}

// waitState is what a request waits for, if it is on no path.
type waitState int

const (
	// ready: for its turn, at once.
	ready waitState = iota
	// parked: for a path to become usable.
	parked
	// delayed: for the time of a retry.
	delayed
	// held: for the window of a range in doubt.
	held
	waitStates = iota
)

func newHead(ctx context.Context, cfg Config, ids []nvme.NamespaceID, g geometry) *Head {
	h := &Head{
		ctx: ctx, cfg: cfg, ids: ids, doubts: newDoubts(),
		wake: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	h.geometry.Store(&g)
	h.paths.Store(new([]*Path))
	go h.requeue()
	return h
}

// Submit starts a request. It does not wait for the network.
func (h *Head) Submit(r *Request) {
	r.begin(h)
	h.pending.Add(1)
	r.Status = r.build(*h.geometry.Load())
	if r.Status != nvme.StatusSuccess || h.closed.Load() || !h.heldUntil(r).IsZero() || !h.send(r) {
		h.wait(r, ready)
	}
}

// begin makes the request as good as new.
func (r *Request) begin(h *Head) {
	if r.command.Done == nil {
		r.command.Done = func(*host.Request) { r.head.completed(r) } // once for a request, not for an I/O
	}
	r.head, r.path, r.left = h, nil, nil
	r.retries, r.marked, r.since = 0, false, time.Time{}
}

// heldUntil is when a request that changes data may do so: the zero time if it
// may now. As long as nothing is in doubt it costs one atomic load.
func (h *Head) heldUntil(r *Request) time.Time {
	if !h.doubts.any() || !r.Op.ChangesData() {
		return time.Time{}
	}
	return h.doubts.until(r, r.Start, uint64(r.Blocks), time.Now())
}

// send sends a request on the best path; false if there is none.
func (h *Head) send(r *Request) bool {
	last := h.current.Load()
	p := choose(h.cfg.IOPolicy, *h.paths.Load(), last, r.left, r.Node)
	if p == nil {
		return false
	}
	if p != last && h.cfg.IOPolicy == nvme.IOPolicyRoundRobin {
		h.current.Store(p)
	}
	r.path = p
	p.inFlight.Add(1)
	p.outstanding.Add(1)
	p.link.Submit(&r.command, r.Queue)
	return true
}

// finish gives a request back to its caller.
func (h *Head) finish(r *Request, s nvme.Status) {
	if r.marked {
		h.doubts.disown(r)
	}
	r.Status = s
	r.Done(r)
	if h.pending.Add(-1) == 0 && h.closed.Load() {
		h.poke()
	}
}

// available tells whether a path may become usable. As in Linux, ANA does not
// matter here.
func (h *Head) available() bool {
	for _, p := range h.Paths() {
		if p.link.Available() {
			return true
		}
	}
	return false
}

// Close ends the head: what waits ends with nvme.StatusAbortedSQDeletion, and
// what is on a path when it comes back, which is waited for. Before others may
// write to the namespace, Settle.
func (h *Head) Close(ctx context.Context) error {
	h.close()
	select {
	case <-h.ended:
	case <-ctx.Done():
		return fmt.Errorf("closing a head with %d requests: %w", h.pending.Load(), ctx.Err())
	}
	h.subsystem.forget(h)
	if list := h.InDoubt(); list != nil {
		klog.FromContext(h.ctx).Info("Closed a namespace that lost writes may still change", "nsid", h.NSID(), "ranges", len(list))
	}
	return nil
}

// close makes requests end.
func (h *Head) close() {
	h.closed.Store(true)
	h.poke()
}

// InDoubt lists what lost writes may still change. A successor of the head is
// to Inherit it.
func (h *Head) InDoubt() []InDoubt { return h.doubts.list(time.Now()) }

// Inherit puts ranges in doubt that were so for somebody else.
func (h *Head) Inherit(list []InDoubt) {
	for _, d := range list {
		h.doubts.mark(nil, d.Start, d.Blocks, d.Until)
	}
	h.poke()
}

// Settle waits until nothing is in doubt.
func (h *Head) Settle(ctx context.Context) error {
	for {
		next := h.doubts.expire(time.Now())
		if next.IsZero() {
			return nil
		}
		t := time.NewTimer(time.Until(next))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return fmt.Errorf("%d ranges are in doubt until %s: %w", h.doubts.count.Load(), next.Format(time.TimeOnly), ctx.Err())
		}
	}
}

// Counters are those of the head: nvme.Requeues and nvme.Failures, with the
// meaning that they have in Linux 7.2.
func (h *Head) Counters() nvme.Counters {
	return nvme.Counters{nvme.Requeues: h.requeues.Load(), nvme.Failures: h.failures.Load()}
}

// SetCounter sets a counter of the head.
func (h *Head) SetCounter(c nvme.Counter, value uint64) error {
	switch c {
	case nvme.Requeues:
		h.requeues.Store(value)
	case nvme.Failures:
		h.failures.Store(value)
	default:
		return fmt.Errorf("counter: a head has no %q", c)
	}
	return nil
}

// Paths are the paths of the head.
func (h *Head) Paths() []*Path { return *h.paths.Load() }

// NSID is the namespace's number in its subsystem.
func (h *Head) NSID() uint32 { return h.geometry.Load().nsid }

// IDs are the namespace's identifiers, for ever.
func (h *Head) IDs() []nvme.NamespaceID { return h.ids }

// Blocks is the size in logical blocks.
func (h *Head) Blocks() uint64 { return h.geometry.Load().blocks }

// BlockSize is the size of a logical block in bytes.
func (h *Head) BlockSize() int { return 1 << h.geometry.Load().blockShift }

// MaxTransfer is the most data that a request can have, in bytes.
func (h *Head) MaxTransfer() int { return int(h.geometry.Load().maxTransfer) }
