package e2e

import (
	"os"
	"sync"
	"time"
)

// timedDisk is a block device that knows how long each I/O takes.
type timedDisk struct {
	*os.File
	mu      sync.Mutex
	next    int
	pending map[int]time.Time
	longest time.Duration
}

func openTimed(device string) (*timedDisk, error) {
	f, err := os.OpenFile(device, os.O_RDWR|direct, 0)
	return &timedDisk{File: f, pending: map[int]time.Time{}}, err
}

// ReadAt reads, and takes the time.
func (d *timedDisk) ReadAt(b []byte, at int64) (int, error) {
	defer d.begin()()
	return d.File.ReadAt(b, at)
}

// WriteAt writes, and takes the time.
func (d *timedDisk) WriteAt(b []byte, at int64) (int, error) {
	defer d.begin()()
	return d.File.WriteAt(b, at)
}

func (d *timedDisk) begin() (end func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	id, began := d.next, time.Now()
	d.next++
	d.pending[id] = began
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.pending, id)
		d.longest = max(d.longest, time.Since(began))
	}
}

// waiting tells whether an I/O that began before a moment is still on its way.
func (d *timedDisk) waiting(before time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, began := range d.pending {
		if began.Before(before) {
			return true
		}
	}
	return false
}

// forget forgets how long anything took.
func (d *timedDisk) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.longest = 0
}

// slowest is how long the slowest I/O took that has come back.
func (d *timedDisk) slowest() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.longest
}
