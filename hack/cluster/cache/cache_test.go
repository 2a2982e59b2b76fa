package cache

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestGet(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	made := 0
	fill := func(_ context.Context, dir string) error {
		made++
		return os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o644)
	}
	for range 2 {
		dir, err := s.Get(t.Context(), "kind", "key", fill)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(dir, "file")); err != nil {
			t.Error(err)
		}
	}
	if made != 1 {
		t.Errorf("made %d times, want once", made)
	}
}

// TestRenew replaces an entry, and keeps it where that fails.
func TestRenew(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	write := func(content string, result error) func(context.Context, string) error {
		return func(_ context.Context, dir string) error {
			return errors.Join(result, os.WriteFile(filepath.Join(dir, "file"), []byte(content), 0o644))
		}
	}
	broken := errors.New("broken")
	for _, tt := range []struct {
		content string
		err     error
		want    string
	}{
		{"first", nil, "first"},
		{"second", nil, "second"},
		{"half", broken, "second"},
	} {
		if _, err := s.Renew(t.Context(), "kind", "key", write(tt.content, tt.err)); !errors.Is(err, tt.err) {
			t.Fatalf("%s: error %v, want %v", tt.content, err, tt.err)
		}
		got, err := os.ReadFile(filepath.Join(s.Dir, "kind", "key", "file"))
		if err != nil || string(got) != tt.want {
			t.Errorf("after %s: %q, %v, want %q", tt.content, got, err, tt.want)
		}
	}
}

// TestFailure leaves neither an entry nor anything else.
func TestFailure(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	broken := errors.New("broken")
	_, err := s.Get(t.Context(), "kind", "key", func(_ context.Context, dir string) error {
		return errors.Join(broken, os.WriteFile(filepath.Join(dir, "half"), nil, 0o644))
	})
	if !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
	left, err := os.ReadDir(filepath.Join(s.Dir, "kind"))
	if err != nil || len(left) != 1 || left[0].Name() != ".lock" {
		t.Errorf("left behind: %v, %v; want the lock", left, err)
	}
}

// TestSweep: a new entry makes old ones go, and what was interrupted.
func TestSweep(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	nothing := func(context.Context, string) error { return nil }
	root := filepath.Join(s.Dir, "kind")
	for _, name := range []string{"old", "recent", ".new-1"} {
		if err := os.MkdirAll(filepath.Join(root, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	longAgo := time.Now().Add(-2 * unusedFor)
	if err := os.Chtimes(filepath.Join(root, "old"), longAgo, longAgo); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "kind", "new", nothing); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"old": false, "recent": true, ".new-1": false, "new": true} {
		if _, err := os.Stat(filepath.Join(root, name)); (err == nil) != want {
			t.Errorf("%s is there: %t, want %t", name, err == nil, want)
		}
	}
}

func TestLockEndsWithContext(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := s.Get(t.Context(), "kind", "outer", func(context.Context, string) error {
		time.AfterFunc(20*time.Millisecond, cancel)
		_, err := s.Get(ctx, "kind", "inner", func(context.Context, string) error { return nil })
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}
