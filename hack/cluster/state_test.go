package cluster

import (
	"errors"
	"io/fs"
	"os"
	"testing"
)

// TestSweep: a killed cluster's state goes, a living one's stays.
func TestSweep(t *testing.T) {
	root := t.TempDir()
	alive, err := newState(root)
	if err != nil {
		t.Fatal(err)
	}
	killed, err := newState(root)
	if err != nil {
		t.Fatal(err)
	}
	killed.lock.Close() // as the kernel does
	next, err := newState(root)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(killed.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("state of a killed cluster: %v, want %v", err, fs.ErrNotExist)
	}
	for _, s := range []*state{alive, next} {
		if _, err := os.Stat(s.dir); err != nil {
			t.Errorf("state of a living cluster: %v", err)
		}
		if err := s.remove(); err != nil {
			t.Error(err)
		}
	}
}
