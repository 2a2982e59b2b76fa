package poll

import (
	"context"
	"sync"
	"time"
)

// Pulse tells what is late from what stood still. A machine whose processor is
// emulated, or shared with others, stands still for seconds now and then, and
// nobody on it can be blamed for what came that much later.
type Pulse struct {
	stop context.CancelFunc
	done chan struct{}

	mu      sync.Mutex
	last    time.Time
	longest time.Duration
}

// TakePulse asks, until Stop, again and again what whoever is alive answers at
// once. It leaves a pause between two questions.
func TakePulse(ctx context.Context, pause time.Duration, answers func(context.Context) bool) *Pulse {
	ctx, stop := context.WithCancel(ctx)
	p := &Pulse{stop: stop, done: make(chan struct{}), last: time.Now()}
	go func() {
		defer close(p.done)
		_ = Every(ctx, pause, "the end of a pulse", func() (bool, error) {
			if answers(ctx) {
				p.beat()
			}
			return false, nil
		})
	}()
	return p
}

func (p *Pulse) beat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.longest, p.last = max(p.longest, now.Sub(p.last)), now
}

// Longest is the longest time between two answers so far, the one included that
// is waited for.
func (p *Pulse) Longest() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(p.longest, time.Since(p.last))
}

// Stop ends the questions, and returns when the last one has ended.
func (p *Pulse) Stop() {
	p.stop()
	<-p.done
}
