package native

import (
	"context"
	"fmt"
	"sync"

	"github.com/braid-csi/braid/pkg/multipath"
)

// writes are those that the kernel is at for Braid. With a path that is silent one
// takes up to two minutes, in which it may be asked for again and again: one
// process waits for each, and all callers wait for that one. The zero value is
// ready.
type writes struct {
	mu      sync.Mutex
	running map[string]*write // by what is done, and the controller's epoch
}

// write is one of them; result is set once done is closed. begun is closed when
// the kernel is at it, of those that tell, or with done.
type write struct {
	what        string
	begun, done chan struct{}
	result      result
}

// begin has start begin a write to a controller, unless the kernel is at it
// already. What says what is done to the controller.
func (w *writes) begin(c multipath.Controller, what string, start func(inode uint64) (<-chan result, error)) (*write, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := what + " " + c.Epoch
	if r := w.running[key]; r != nil {
		return r, nil
	}
	inode, err := inodeOf(c.Epoch)
	if err != nil {
		return nil, err
	}
	answer, err := start(inode)
	if err != nil {
		return nil, err
	}
	r := &write{what: what + " " + c.Name, begun: make(chan struct{}), done: make(chan struct{})}
	if w.running == nil {
		w.running = map[string]*write{}
	}
	w.running[key] = r
	go func() {
		r.result = <-answer
		tells := r.result.Begun
		close(r.begun)
		if tells {
			r.result = <-answer
		}
		w.mu.Lock()
		delete(w.running, key)
		w.mu.Unlock()
		close(r.done)
	}()
	return r, nil
}

// wait waits until the kernel is done. If ctx ends first the kernel goes on.
func (w *write) wait(ctx context.Context) error {
	select {
	case <-w.done:
		if err := w.result.err(); err != nil {
			return fmt.Errorf("%s: %w", w.what, err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: the kernel is still waiting for it: %w", w.what, context.Cause(ctx))
	}
}

// delete has the kernel take a controller down, if it is not at it already.
func (e *Engine) delete(c multipath.Controller) (*write, error) {
	return e.writes.begin(c, "delete", func(inode uint64) (<-chan result, error) {
		return e.start(job{Delete: c.Name, Inode: inode})
	})
}

// ResetController has the kernel disconnect a controller and connect it anew,
// and returns what waits for the end of that. It is for controllers whose
// connections answer: with a dead one the kernel waits for a minute, in which
// the path stays down (Linux 6.12). A reset that the kernel gives up in favour
// of connecting again and again fails with ENETRESET.
func (e *Engine) ResetController(c multipath.Controller) (wait func(context.Context) error, err error) {
	w, err := e.writes.begin(c, "reset", func(inode uint64) (<-chan result, error) {
		return e.start(job{Reset: c.Name, Inode: inode})
	})
	if err != nil {
		return nil, err
	}
	return w.wait, nil
}
