package multipath

import (
	"context"
	"errors"
	"time"

	"k8s.io/klog/v2"
)

const (
	// lookClosely is the time between two looks at what came of asking, for as long
	// as closeLook.
	lookClosely = 100 * time.Millisecond
	closeLook   = 3 * time.Second
	// askPause is the time after which a controller is asked again: what is sent
	// may come back, and something else hang on.
	askPause = 5 * time.Second
)

// asker is an engine that can find out more about a path on which requests hang.
// What it begins goes on in a process of its own, and nothing is waited for.
type asker interface {
	// Stir has something sent by every connection of a controller.
	Stir(ctx context.Context, c Controller, s *Subsystem) error
	// Read has a block of a head be read, by the path that the kernel chooses.
	Read(ctx context.Context, h *Head) error
}

// doubt is about the requests that hang on a controller since some time, and what
// was begun to find out why.
type doubt struct {
	at, since time.Time
	reads     map[string]int // by the head's name
}

// Prove has more be found out about the controller of a volume's path on which
// requests hang. What comes of it is evidence, for those who look later.
//
// A connection by which nothing is sent cannot be seen to be dead: if the target
// has the requests, and its answers are lost, this end waits as it would for a
// slow backend. So something is sent, once. And if nobody uses another path,
// because all that the users of a namespace wait for hangs here, nothing shows
// that another one completes I/O. So a block of the namespace is read; where the
// kernel takes turns it may choose the dead path, so it is tried again with each
// call, once for every path that there is.
func (l *Layer) Prove(ctx context.Context, volumeID, key string) error {
	asker, ok := l.engine.(asker)
	set := l.Snapshot().PathSet(volumeID)
	if !ok || set == nil {
		return nil
	}
	s := l.Subsystem(set.SubsystemNQN)
	c := controllerOf(set, s, key)
	if c == nil {
		return nil
	}
	e := l.Evidence(ctx, s)[c.Name]
	if e.HangsSince.IsZero() {
		return nil
	}
	var errs []error
	if l.askOnce(c, e.HangsSince) {
		klog.FromContext(ctx).V(2).Info("Requests hang on a path, and its connections are tried", "controller", c.Name, "address", key, "since", e.HangsSince)
		errs = append(errs, asker.Stir(ctx, *c, s))
		go l.lookOn()
	}
	for i := range s.Heads {
		if h := &s.Heads[i]; !e.OthersComplete && h.WaitsFor(c.Name) && l.readOnce(c, h) {
			errs = append(errs, asker.Read(ctx, h))
		}
	}
	return errors.Join(errs...)
}

// askOnce tells whether nothing was begun yet about what hangs on a controller
// since some time, and notes that it is.
func (l *Layer) askOnce(c *Controller, since time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if q, asked := l.doubts[c.Name]; asked && (q.since.Equal(since) || now.Sub(q.at) < askPause) {
		return false
	}
	l.doubts[c.Name] = doubt{at: now, since: since, reads: map[string]int{}}
	return true
}

// readOnce tells whether a head may be read once more, and notes that it is.
func (l *Layer) readOnce(c *Controller, h *Head) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	reads := l.doubts[c.Name].reads
	reads[h.Name]++
	return reads[h.Name] <= len(h.Paths)
}

// lookOn looks often for a while.
func (l *Layer) lookOn() {
	tick, end := time.NewTicker(lookClosely), time.NewTimer(closeLook)
	defer tick.Stop()
	defer end.Stop()
	for {
		select {
		case <-tick.C:
			l.lookSoon()
		case <-end.C:
			return
		case <-l.background.Done():
			return
		}
	}
}

// WaitsFor tells whether requests of the namespace are in flight through a
// controller, or may be.
func (h *Head) WaitsFor(controller string) bool {
	p := h.path(controller)
	return p != nil && (p.IO == nil || p.IO.InFlight > 0)
}
