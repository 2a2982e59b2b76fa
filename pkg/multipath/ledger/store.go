package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/durable"
)

// sampleInterval is how often LastSample alone is worth a write.
const sampleInterval = time.Hour

// openBook is a book in use and how it stands to its file.
type openBook struct {
	book
	// orphaned: whoever began the pending reset died or gave it up, and the
	// next sample decides whether it happened.
	orphaned bool
	// dirty: the file lacks something that must survive.
	dirty bool
	// saved is when the book had last learned anything as it was written.
	saved time.Time
}

// Open reads the ledger in dir, which is created if need be, and clears what a
// crash left there. A corrupt book is set aside and logged; one of a newer
// version is logged and left alone. The error means that dir cannot be used.
func Open(ctx context.Context, dir string) (*Ledger, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	if err := durable.RemoveTemps(dir); err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	l := &Ledger{
		QuietTime: DefaultQuietTime,
		dir:       dir,
		write:     durable.WriteFile,
		books:     map[Key]*openBook{},
		refused:   map[string]error{},
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), suffix) {
			continue
		}
		if err := l.load(ctx, e.Name()); err != nil {
			return nil, fmt.Errorf("open ledger: %w", err)
		}
	}
	return l, nil
}

// load takes up the book in one file.
func (l *Ledger) load(ctx context.Context, name string) error {
	path := filepath.Join(l.dir, name)
	b, err := read(path)
	switch {
	case err == nil:
		l.books[b.Key] = &openBook{book: b, orphaned: b.Pending != nil, saved: b.seen()}
	case errors.Is(err, ErrVersion):
		klog.FromContext(ctx).Error(err, "Ledger book is left alone, its paths are not counted", "file", path)
		l.refused[name] = err
	default:
		aside, asideErr := durable.SetAside(path)
		if asideErr != nil {
			return errors.Join(err, asideErr)
		}
		klog.FromContext(ctx).Error(err, "Ledger book is corrupt, counting starts anew", "file", path, "setAside", aside)
	}
	return nil
}

func read(path string) (book, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return book{}, err
	}
	return decode(filepath.Base(path), data)
}

// save makes next the content of the book and of its file; if that fails the
// book stays as it is.
func (l *Ledger) save(o *openBook, next book) error {
	data, err := next.encode()
	if err != nil {
		return fmt.Errorf("ledger of %s: %w", next.Key, err)
	}
	if err := l.write(filepath.Join(l.dir, next.fileName()), data, 0o600); err != nil {
		return fmt.Errorf("ledger of %s: %w", next.Key, err)
	}
	o.book, o.dirty, o.saved = next, false, next.seen()
	return nil
}

// Expire deletes the books that have not been sampled for as long as keep and
// that inUse does not claim. inUse must not call the ledger. Books of a newer
// version stay. One that cannot be deleted does not keep the others.
func (l *Ledger) Expire(ctx context.Context, now time.Time, keep time.Duration, inUse func(Key) bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for k, o := range l.books {
		if now.Sub(o.seen()) < keep || inUse(k) {
			continue
		}
		if err := durable.RemoveFile(filepath.Join(l.dir, k.fileName())); err != nil {
			errs = append(errs, fmt.Errorf("ledger of %s: %w", k, err))
			continue
		}
		klog.FromContext(ctx).Info("Ledger book expired", "key", k, "lastSeen", o.seen())
		delete(l.books, k)
	}
	return errors.Join(errs...)
}
