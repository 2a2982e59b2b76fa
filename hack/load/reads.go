// Package load keeps a volume busy: readers that only keep I/O in flight, and a
// writer that knows what it wrote.
package load

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

const blockSize = 4096

// Reads is a number of readers, each with one direct read in flight at all
// times. They read at random, so that the block layer does not merge reads and
// one read is one command.
type Reads struct {
	disk      Disk
	name      string
	blocks    int64
	stop      atomic.Bool
	completed atomic.Uint64
	readers   sync.WaitGroup
	mu        sync.Mutex
	failures  []error
}

// StartReads opens the device and starts depth readers.
func StartReads(device string, depth int) (*Reads, error) {
	f, err := os.OpenFile(device, os.O_RDONLY|unix.O_DIRECT, 0)
	if err != nil {
		return nil, fmt.Errorf("reads: %w", err)
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil && size < blockSize {
		err = fmt.Errorf("%s has %d bytes", device, size)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("reads: %w", err)
	}
	return StartReadsOn(f, device, size, depth), nil
}

// StartReadsOn starts depth readers on a disk of size bytes.
func StartReadsOn(d Disk, name string, size int64, depth int) *Reads {
	r := &Reads{disk: d, name: name, blocks: size / blockSize}
	for range depth {
		r.readers.Go(r.read)
	}
	return r
}

func (r *Reads) read() {
	buf, err := alignedBlock()
	if err != nil {
		r.fail(err)
		return
	}
	defer func() { _ = unix.Munmap(buf) }()
	for !r.stop.Load() {
		offset := rand.Int64N(r.blocks) * blockSize
		if _, err := r.disk.ReadAt(buf, offset); err != nil {
			r.fail(fmt.Errorf("reading %s at %d: %w", r.name, offset, err))
			return
		}
		r.completed.Add(1)
	}
}

func (r *Reads) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, err)
}

// Completed is how many reads succeeded so far.
func (r *Reads) Completed() uint64 { return r.completed.Load() }

// Stop waits for the reads in flight and returns every failure. A reader ends
// at its first.
func (r *Reads) Stop() error {
	r.stop.Store(true)
	r.readers.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(append(r.failures, r.disk.Close())...)
}
