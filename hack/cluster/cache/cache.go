// Package cache keeps what takes minutes to make, under the hash of what it was
// made from:
//
//	DIR/KIND/KEY/         complete: only ever renamed into place
//	DIR/KIND/.new-*       in the making, or interrupted
//	DIR/KIND/.lock        held while anything here changes
package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/braid-csi/braid/hack/poll"
)

// unusedFor is after how long an entry goes when a new one of its kind comes.
const unusedFor = 14 * 24 * time.Hour

// Store is a cache folder.
type Store struct {
	Dir string
	// Progress tells the user what takes long; nothing is said when warm.
	Progress func(format string, args ...any)
}

// Key is a name for everything something is made from.
func Key(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p) // lengths: "ab","c" is not "a","bc"
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// Get returns the folder of an entry. If there is none, fill makes it in a
// folder on the same file system, which then becomes the entry.
func (s Store) Get(ctx context.Context, kind, key string, fill func(ctx context.Context, dir string) error) (string, error) {
	root := filepath.Join(s.Dir, kind)
	entry := filepath.Join(root, key)
	if used(entry) {
		return entry, nil
	}
	unlock, err := lock(ctx, root)
	if err != nil {
		return "", fmt.Errorf("cache: %w", err)
	}
	defer unlock()
	if used(entry) {
		return entry, nil // another process was faster
	}
	return entry, s.fill(ctx, entry, fill)
}

// Renew makes an entry as Get does, whether there is one or not. An old one
// stays until the new one is there.
func (s Store) Renew(ctx context.Context, kind, key string, fill func(ctx context.Context, dir string) error) (string, error) {
	root := filepath.Join(s.Dir, kind)
	unlock, err := lock(ctx, root)
	if err != nil {
		return "", fmt.Errorf("cache: %w", err)
	}
	defer unlock()
	entry := filepath.Join(root, key)
	return entry, s.fill(ctx, entry, fill)
}

// fill makes an entry, under the lock.
func (s Store) fill(ctx context.Context, entry string, fill func(ctx context.Context, dir string) error) error {
	root := filepath.Dir(entry)
	sweep(root)
	tmp, err := os.MkdirTemp(root, ".new-")
	if err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	defer func() { _ = os.RemoveAll(tmp) }() // sweep would find it
	if err := os.Chmod(tmp, 0o755); err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	if err := fill(ctx, tmp); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(root), err)
	}
	if err := os.RemoveAll(entry); err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	if err := os.Rename(tmp, entry); err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	return nil
}

// used says whether there is an entry, and notes that somebody wants it.
func used(entry string) bool {
	now := time.Now()
	return os.Chtimes(entry, now, now) == nil
}

// sweep removes what was interrupted, and what nobody has wanted for a while.
// Under the lock nobody else's can be in the making.
func sweep(root string) {
	entries, _ := os.ReadDir(root)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !e.IsDir() {
			continue
		}
		if strings.HasPrefix(e.Name(), ".new-") || time.Since(info.ModTime()) > unusedFor {
			_ = os.RemoveAll(filepath.Join(root, e.Name())) // the next one tries again
		}
	}
}

// lock keeps two processes from making the same thing twice. The kernel drops
// it when the process ends, however it ends.
func lock(ctx context.Context, root string) (unlock func(), err error) {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(root, ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	err = poll.Until(ctx, "another process at work in "+root, func() (bool, error) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

// Link puts a file, or a folder with everything in it, at another place of the
// same file system without a copy. A link in from becomes the same link.
func Link(from, to string) error {
	return filepath.WalkDir(from, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, p)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.Link(p, target)
	})
}
