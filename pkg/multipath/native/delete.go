package native

import (
	"context"
	"fmt"
	"sync"

	"github.com/braid-csi/braid/pkg/multipath"
)

// deletions are the controllers that the kernel is taking down for Braid. With
// a path that is silent that takes up to two minutes, in which Disconnect may
// be called again and again: one process waits for each, and all callers wait
// for that one. The zero value is ready.
type deletions struct {
	mu      sync.Mutex
	running map[string]*deletion // by epoch
}

// deletion is one of them; result is set once done is closed.
type deletion struct {
	done   chan struct{}
	result result
}

// delete has the kernel take a controller down, if it is not at it already.
func (e *Engine) delete(c multipath.Controller) (*deletion, error) {
	e.deletions.mu.Lock()
	defer e.deletions.mu.Unlock()
	if d := e.deletions.running[c.Epoch]; d != nil {
		return d, nil
	}
	inode, err := inodeOf(c.Epoch)
	if err != nil {
		return nil, err
	}
	answer, err := e.start(job{Delete: c.Name, Inode: inode})
	if err != nil {
		return nil, err
	}
	d := &deletion{done: make(chan struct{})}
	if e.deletions.running == nil {
		e.deletions.running = map[string]*deletion{}
	}
	e.deletions.running[c.Epoch] = d
	go func() {
		d.result = <-answer
		e.deletions.mu.Lock()
		delete(e.deletions.running, c.Epoch)
		e.deletions.mu.Unlock()
		close(d.done)
	}()
	return d, nil
}

// wait waits until the kernel has taken the controller down. If ctx ends first
// the kernel goes on with it.
func (d *deletion) wait(ctx context.Context, name string) error {
	select {
	case <-d.done:
		if err := d.result.err(); err != nil {
			return fmt.Errorf("delete %s: %w", name, err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("delete %s: the kernel is still waiting for it: %w", name, context.Cause(ctx))
	}
}
