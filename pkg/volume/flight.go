package volume

import (
	"context"
	"fmt"
	"sync"
)

// flights runs work that the kernel may hold up for as long as a device has no
// usable path, at most one piece for each key: a caller leaves when its
// context ends, the work goes on, and what hangs does not pile up. The zero
// value is ready.
type flights[T any] struct {
	mu      sync.Mutex
	running map[string]*flight[T]
}

// flight is one piece of work; value and err are set once done is closed.
type flight[T any] struct {
	done  chan struct{}
	value T
	err   error
}

// alone runs work for key, or returns ErrBusy if work for key is running.
func (f *flights[T]) alone(ctx context.Context, key string, work func() (T, error)) (T, error) {
	fl, started := f.start(ctx, key, work)
	if !started {
		var none T
		if err := ctx.Err(); err != nil {
			return none, err
		}
		return none, fmt.Errorf("%s: %w", key, ErrBusy)
	}
	return fl.wait(ctx, key)
}

// shared runs work for key, or waits for the result of the work that is
// running for it already.
func (f *flights[T]) shared(ctx context.Context, key string, work func() (T, error)) (T, error) {
	fl, _ := f.start(ctx, key, work)
	if fl == nil {
		var none T
		return none, ctx.Err()
	}
	return fl.wait(ctx, key)
}

// start returns the flight for key and whether it was started just now. If
// nothing is running and the context is over, there is none.
func (f *flights[T]) start(ctx context.Context, key string, work func() (T, error)) (fl *flight[T], started bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl := f.running[key]; fl != nil {
		return fl, false
	}
	if ctx.Err() != nil {
		return nil, false
	}
	if f.running == nil {
		f.running = make(map[string]*flight[T])
	}
	fl = &flight[T]{done: make(chan struct{})}
	f.running[key] = fl
	go func() {
		defer func() {
			// No recovery of the caller's reaches this goroutine.
			if p := recover(); p != nil {
				fl.err = fmt.Errorf("panic: %v", p)
			}
			f.mu.Lock()
			delete(f.running, key)
			f.mu.Unlock()
			close(fl.done)
		}()
		fl.value, fl.err = work()
	}()
	return fl, true
}

// wait returns the result, or the context's error together with ErrBusy if the
// context ends first.
func (fl *flight[T]) wait(ctx context.Context, key string) (T, error) {
	select {
	case <-fl.done:
		return fl.value, fl.err
	case <-ctx.Done():
		var none T
		return none, fmt.Errorf("%s: %w: %w", key, ErrBusy, ctx.Err())
	}
}
