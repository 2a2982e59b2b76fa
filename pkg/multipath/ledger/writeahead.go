package ledger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"k8s.io/klog/v2"
)

// The errors of resets that callers tell apart.
var (
	// ErrResetPending: another reset of the volume has not ended yet.
	ErrResetPending = errors.New("a reset is pending")
	// ErrNoReset: no reset of that ID is pending. It may have been pending for
	// longer than ResetTimeout, and been found not to have happened.
	ErrNoReset = errors.New("no such reset is pending")
	// ErrNoBook: nothing was ever recorded of that volume.
	ErrNoBook = errors.New("nothing is recorded")
	// ErrShared: the key is that of controllers, whose counters are shared by
	// volumes and are never reset.
	ErrShared = errors.New("counters of controllers are not reset")
)

// BeginReset notes on disk that a volume's counters are about to be zeroed,
// and returns the reset's ID. Only when it has returned may the caller write
// the kernel's counters; then it must call CompleteReset with that ID, or
// AbandonReset if it failed. Samples taken meanwhile count only Down.
func (l *Ledger) BeginReset(ctx context.Context, key Key, req ResetRequest) (id string, err error) {
	if err := req.check(); err != nil {
		return "", err
	}
	if key.Namespace.IsZero() {
		return "", fmt.Errorf("%s: %w", key, ErrShared)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	o, err := l.recorded(key)
	if err != nil {
		return "", err
	}
	if p := o.Pending; p != nil {
		return "", fmt.Errorf("%s: %w: %s, by %q at %s", key, ErrResetPending, p.ID, p.By, p.At)
	}
	in := &intent{ID: rand.Text(), By: req.By, Reason: req.Reason, Request: req.Request, At: stamp(req.At)}
	if shared := l.books[key.controllers()]; shared != nil {
		in.Controllers = baselines(shared.Records, in.At)
	}
	next := o.book
	next.Pending = in
	if err := l.save(o, next); err != nil {
		return "", err
	}
	klog.FromContext(ctx).V(2).Info("Reset began", "key", key, "reset", in.ID, "by", in.By)
	return in.ID, nil
}

// CompleteReset ends a reset. after holds exactly the records that were reset,
// each with a sample taken after its counters were written, or with an empty
// one where the path is gone and there was nothing to write; a record that is
// not in after goes on as if nothing had been. In the others since-reset counts
// from the request's time, and lifetimes go on.
//
// If it fails to write, the reset is still pending and may be completed again,
// with new samples. Completing a reset that is recorded already returns the
// record.
func (l *Ledger) CompleteReset(ctx context.Context, key Key, id string, after map[string]Sample) (Reset, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	o, err := l.recorded(key)
	if err != nil {
		return Reset{}, err
	}
	for _, r := range o.Resets {
		if r.ID == id {
			return r.clone(), nil
		}
	}
	if o.Pending == nil || o.Pending.ID != id {
		return Reset{}, fmt.Errorf("%s: %w: %s", key, ErrNoReset, id)
	}
	next, reset := o.complete(after, l.QuietTime)
	if err := l.save(o, next); err != nil {
		return Reset{}, err
	}
	o.orphaned = false
	klog.FromContext(ctx).Info("Reset recorded", "key", key, "reset", id, "by", reset.By, "reason", reset.Reason)
	return reset.clone(), nil
}

// AbandonReset gives a reset up of which nothing was written to the kernel, or
// nobody knows what: the next sample decides, as after a crash. Until then it is
// pending.
func (l *Ledger) AbandonReset(ctx context.Context, key Key, id string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	o, err := l.recorded(key)
	if err != nil {
		return err
	}
	if o.Pending == nil || o.Pending.ID != id {
		return fmt.Errorf("%s: %w: %s", key, ErrNoReset, id)
	}
	o.orphaned = true // as it would be after a crash, so there is nothing to write
	klog.FromContext(ctx).Info("Reset abandoned", "key", key, "reset", id)
	return nil
}

// recorded returns the book of a key that has one.
func (l *Ledger) recorded(key Key) (*openBook, error) {
	o, err := l.open(key)
	switch {
	case err != nil:
		return nil, err
	case len(o.Records) == 0:
		return nil, fmt.Errorf("%s: %w", key, ErrNoBook)
	}
	return o, nil
}
