package ledger

import (
	"context"
	"io/fs"
	"sync"
	"time"

	"k8s.io/klog/v2"
)

// Ledger keeps the books of one node. Its methods may be called concurrently.
type Ledger struct {
	// QuietTime is how long a path must be without events before the next
	// event begins a new episode: positive, not to be changed once in use.
	QuietTime time.Duration

	dir   string
	write func(path string, data []byte, perm fs.FileMode) error

	// mu protects the books, their content and their files, so that what is on
	// disk is in the order of what was decided. It is held while a file is
	// written, which is rare (see doc.go).
	mu    sync.Mutex
	books map[Key]*openBook
	// refused holds why the book in a file is not touched, by its name.
	refused map[string]error
}

// Observe merges samples into a book. Their keys are the strings of transport
// IDs, or HeadKey. When it returns nil, all that must survive a crash is on
// disk. After an error the samples are merged nevertheless and the next
// Observe writes again, except that a book of a newer version is refused
// (ErrVersion).
func (l *Ledger) Observe(ctx context.Context, key Key, samples map[string]Sample) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	o, err := l.open(key)
	if err != nil {
		return err
	}
	latest, counting := newest(samples)
	if o.Pending != nil && counting && (o.orphaned || latest.Sub(o.Pending.At) > ResetTimeout) {
		l.settle(ctx, o, samples)
	}
	for k, s := range samples {
		if o.Pending != nil {
			s.Counters, s.Witness = nil, nil
		}
		r, known := o.Records[k]
		if !known && !s.counts() && !s.Down {
			continue
		}
		r, changed := merge(r, s, l.QuietTime)
		o.Records[k] = r
		o.dirty = o.dirty || changed
	}
	if len(o.Records) == 0 {
		return nil
	}
	l.books[key] = o
	if !o.dirty && latest.Sub(o.saved) < sampleInterval {
		return nil
	}
	return l.save(o, o.book)
}

// open returns the book of a key, a new one if there is none, which is not yet
// among the books.
func (l *Ledger) open(key Key) (*openBook, error) {
	if o := l.books[key]; o != nil {
		return o, nil
	}
	if err := key.check(); err != nil {
		return nil, err
	}
	if err := l.refused[key.fileName()]; err != nil {
		return nil, err
	}
	return &openBook{book: newBook(key)}, nil
}

// newest returns the time of the latest sample that has counters, and whether
// there is one.
func newest(samples map[string]Sample) (at time.Time, ok bool) {
	for _, s := range samples {
		if s.counts() && (!ok || s.At.After(at)) {
			at, ok = s.At, true
		}
	}
	return at, ok
}

// settle ends an orphaned reset one way or the other.
func (l *Ledger) settle(ctx context.Context, o *openBook, samples map[string]Sample) {
	in := o.Pending
	next, reset := o.judge(samples, l.QuietTime)
	o.book, o.orphaned, o.dirty = next, false, true
	log := klog.FromContext(ctx).WithValues("key", o.Key, "reset", in.ID, "by", in.By, "at", in.At)
	if reset == nil {
		log.Info("Interrupted reset had not happened")
		return
	}
	log.Info("Interrupted reset had happened", "records", len(reset.Before))
}

// Records returns copies of a book's records; none if there is no book.
func (l *Ledger) Records(key Key) map[string]Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	o := l.books[key]
	if o == nil {
		return nil
	}
	records := make(map[string]Record, len(o.Records))
	for k, r := range o.Records {
		records[k] = r.clone()
	}
	return records
}

// ControllerRecords returns the records of the controllers of a volume's
// subsystem as that volume sees them: SinceReset, CountedSince and Exact speak
// of the time since the volume's own last reset.
func (l *Ledger) ControllerRecords(key Key) map[string]Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	shared := l.books[key.controllers()]
	if shared == nil {
		return nil
	}
	var own map[string]baseline
	if o := l.books[key]; o != nil {
		own = o.Controllers
	}
	records := make(map[string]Record, len(shared.Records))
	for k, r := range shared.Records {
		records[k] = own[k].since(r)
	}
	return records
}

// ResetOf returns the recorded reset that a request of that name led to,
// whichever volume it was of. One that is still pending is not recorded yet.
func (l *Ledger) ResetOf(request string) (Reset, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range l.books {
		for _, r := range o.Resets {
			if request != "" && r.Request == request {
				return r.clone(), true
			}
		}
	}
	return Reset{}, false
}

// Resets returns the latest 32 resets of a volume, newest last.
func (l *Ledger) Resets(key Key) []Reset {
	l.mu.Lock()
	defer l.mu.Unlock()
	o := l.books[key]
	if o == nil {
		return nil
	}
	resets := make([]Reset, 0, len(o.Resets))
	for _, r := range o.Resets {
		resets = append(resets, r.clone())
	}
	return resets
}
