package target

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/klog/v2"
)

// heldWrite is a command that a fault holds: its host has no answer, and may
// find that it takes effect after all.
type heldWrite struct {
	run   func()
	after time.Duration // from the end of the connection
}

// lateWrites applies held writes.
type lateWrites struct {
	held, applied atomic.Int64

	mu      sync.Mutex
	dropped bool
	timers  []*time.Timer
	running sync.WaitGroup
}

// apply applies the writes that a connection held, each when its time comes.
func (l *lateWrites) apply(ctx context.Context, writes []heldWrite) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range writes {
		if l.dropped {
			return
		}
		l.timers = append(l.timers, time.AfterFunc(w.after, func() { l.run(ctx, w) }))
	}
}

func (l *lateWrites) run(ctx context.Context, w heldWrite) {
	l.mu.Lock()
	if l.dropped {
		l.mu.Unlock()
		return
	}
	l.running.Add(1)
	l.mu.Unlock()
	defer l.running.Done()
	w.run()
	l.applied.Add(1)
	klog.FromContext(ctx).Info("A held write was applied", "after", w.after)
}

// drop forgets the writes that were not applied yet, and waits for those that
// are just being applied.
func (l *lateWrites) drop() {
	l.mu.Lock()
	l.dropped = true
	for _, t := range l.timers {
		t.Stop()
	}
	l.mu.Unlock()
	l.running.Wait()
}

// LateWrites is how many writes are or were held by faults, and how many of
// them have been applied after the end of their connections.
func (t *Target) LateWrites() (held, applied int64) {
	return t.late.held.Load(), t.late.applied.Load()
}
