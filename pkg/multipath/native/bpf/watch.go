package bpf

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/time/rate"
)

// watchEvery is the least time between two calls of Watch's: thousands of
// requests may fail over at once, and one look sees them all.
const watchEvery = 50 * time.Millisecond

// Watch calls look whenever requests have failed over, until ctx ends.
func (f *Failovers) Watch(ctx context.Context, look func()) error {
	events, err := ringbuf.NewReader(f.events)
	if err != nil {
		return fmt.Errorf("events of failovers: %w", err)
	}
	defer func() { _ = events.Close() }()
	defer context.AfterFunc(ctx, func() { _ = events.Close() })()
	pace := rate.NewLimiter(rate.Every(watchEvery), 1)
	for {
		if err := next(events); errors.Is(err, ringbuf.ErrClosed) {
			return nil
		} else if err != nil {
			return fmt.Errorf("events of failovers: %w", err)
		}
		if pace.Wait(ctx) != nil {
			return nil
		}
		// What came meanwhile is seen by the same look.
		for events.AvailableBytes() > 0 {
			if err := next(events); err != nil {
				break // the next one says why
			}
		}
		look()
	}
}

// next waits for an event, which says nothing but that there is one.
func next(events *ringbuf.Reader) error {
	var event ringbuf.Record
	return events.ReadInto(&event)
}
