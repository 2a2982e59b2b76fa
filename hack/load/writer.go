package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// DefaultDepth is how many I/Os a writer keeps in flight if it is not told.
const DefaultDepth = 64

// blocksPerLane is how many blocks each lane of a writer goes round.
const blocksPerLane = 8

// untouched fills the buffer of a read.
const untouched = 0xa5

// Disk is what a writer writes to: a file, a block device or a head of our own.
// Blocks and buffers are aligned as direct I/O wants it.
type Disk interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
}

// Writer writes checksummed blocks, reads each back and checks it, with so many
// I/Os in flight at all times, past every cache (O_DIRECT). Between two blocks
// lies one that is never written, so that the block layer merges nothing: one
// I/O is one command.
//
// The first error of an I/O ends it: a volume that fails over well shows none.
type Writer struct {
	name     string
	disk     Disk
	lanes    []*lane
	began    time.Time
	round    time.Duration // 0: without rest
	halt     context.CancelFunc
	halted   <-chan struct{}
	running  sync.WaitGroup
	progress progress
	stopped  sync.Once

	result    Stats
	resultErr error

	mu       sync.Mutex
	failures []error
	failed   chan struct{} // closed by the first failure
}

// lane is one I/O after the other.
type lane struct {
	buf    []byte
	random *rand.Rand
	blocks []written
}

// written is what the lane last wrote to a block; version 0 is nothing.
type written struct {
	index, version uint64
	sum            uint32
}

// StartWriter starts a writer on a file, which it makes, or on a block device.
func StartWriter(path string, depth int) (*Writer, error) {
	return start(path, depth, 0)
}

// StartRounds starts a writer that writes and reads depth blocks at once, and
// then rests until the next round: with as much in flight for a moment, it
// leaves the processor to others most of the time.
func StartRounds(path string, depth int, every time.Duration) (*Writer, error) {
	return start(path, depth, every)
}

func start(path string, depth int, round time.Duration) (*Writer, error) {
	f, err := open(path, int64(depth)*blocksPerLane*2*blockSize)
	if err != nil {
		return nil, fmt.Errorf("writer: %w", err)
	}
	return startOn(f, path, depth, round)
}

// StartOn starts a writer on a disk, which is its own from now on.
func StartOn(d Disk, name string, depth int) (*Writer, error) {
	return startOn(d, name, depth, 0)
}

func startOn(d Disk, name string, depth int, round time.Duration) (*Writer, error) {
	w := &Writer{name: name, disk: d, round: round, failed: make(chan struct{})}
	ctx, halt := context.WithCancel(context.Background())
	w.halt, w.halted = halt, ctx.Done()
	for i := range depth {
		l := &lane{random: rand.New(rand.NewPCG(uint64(i), uint64(time.Now().UnixNano())))}
		for j := range blocksPerLane {
			l.blocks = append(l.blocks, written{index: uint64(2 * (j*depth + i))})
		}
		var err error
		if l.buf, err = alignedBlock(); err != nil {
			return nil, errors.Join(err, w.close())
		}
		w.lanes = append(w.lanes, l)
	}
	w.began = time.Now()
	w.progress.last = w.began
	for _, l := range w.lanes {
		w.running.Go(func() { w.write(l) })
	}
	return w, nil
}

// open opens the file for direct I/O. A regular file gets its blocks first:
// writes that allocate take turns, and then few would be in flight.
func open(path string, size int64) (*os.File, error) {
	info, err := os.Stat(path)
	device := err == nil && info.Mode().Type()&os.ModeDevice != 0
	if !device {
		if err := allocate(path, size); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_DIRECT, 0)
	if err != nil || !device {
		return f, err
	}
	have, err := f.Seek(0, io.SeekEnd)
	if err == nil && have < size {
		err = fmt.Errorf("%s has %d bytes, %d are needed", path, have, size)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func allocate(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, size))
	return errors.Join(err, f.Sync(), f.Close())
}

func (w *Writer) write(l *lane) {
	for turn := 0; w.goesOn(); turn = (turn + 1) % len(l.blocks) {
		b := &l.blocks[turn]
		sum := fill(l.buf, b.index, b.version+1, l.random)
		began := time.Now()
		if _, err := w.disk.WriteAt(l.buf, int64(b.index)*blockSize); err != nil {
			w.fail(err)
			return
		}
		*b = written{b.index, b.version + 1, sum}
		w.progress.done(began, func(s *Stats) { s.Written++ })
		if err := w.check(l, *b); err != nil {
			w.fail(err)
			return
		}
	}
}

// goesOn returns when the next block is to be written, or false once the writer
// has been halted. All lanes begin a round at the same moment.
func (w *Writer) goesOn() bool {
	if w.round == 0 {
		select {
		case <-w.halted:
			return false
		default:
			return true
		}
	}
	next := time.NewTimer(w.round - time.Since(w.began)%w.round)
	defer next.Stop()
	select {
	case <-w.halted:
		return false
	case <-next.C:
		return true
	}
}

// check reads a block back.
func (w *Writer) check(l *lane, b written) error {
	began := time.Now()
	if err := w.read(l, b); err != nil {
		return err
	}
	if err := verify(l.buf, b.index, b.version, b.sum); err != nil {
		w.progress.mismatch(w.again(l, b, err))
	}
	w.progress.done(began, func(s *Stats) { s.Verified++ })
	return nil
}

// again reads a block that was not as written once more: what is on the disk is
// another fault than a read that brought something else.
func (w *Writer) again(l *lane, b written, first error) error {
	err := w.read(l, b)
	if err == nil {
		err = verify(l.buf, b.index, b.version, b.sum)
	}
	if err == nil {
		return fmt.Errorf("%w; as written when read again", first)
	}
	return fmt.Errorf("%w; read again: %w", first, err)
}

// read reads a block into a buffer that holds what no disk has, so that a read
// that completes without its data does not pass for one of zeros.
func (w *Writer) read(l *lane, b written) error {
	for i := range l.buf {
		l.buf[i] = untouched
	}
	_, err := w.disk.ReadAt(l.buf, int64(b.index)*blockSize)
	return err
}

func (w *Writer) fail(err error) {
	w.halt()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failures == nil {
		close(w.failed)
	}
	w.failures = append(w.failures, err)
}

// Failed is closed when an I/O has failed.
func (w *Writer) Failed() <-chan struct{} { return w.failed }

// Stats is what was done so far.
func (w *Writer) Stats() Stats { return w.progress.now() }

// Forget has the slowest I/O looked for from now on.
func (w *Writer) Forget() { w.progress.forget() }

// Err is the error that ended the writer, nil while it writes.
func (w *Writer) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return errors.Join(w.failures...)
}

// Stop waits for the I/O in flight, has the kernel drop its caches, reads
// every block once more and returns what was done. The error tells of every
// I/O that failed and of every block that was not as written. Stopping again
// gives the same answer.
func (w *Writer) Stop() (Stats, error) {
	w.stopped.Do(func() { w.result, w.resultErr = w.end() })
	return w.result, w.resultErr
}

func (w *Writer) end() (Stats, error) {
	w.halt()
	w.running.Wait()
	if w.Err() == nil {
		w.verifyAll()
	}
	stats := w.Stats()
	err := errors.Join(w.Err(), w.close())
	if stats.Mismatches > 0 {
		err = errors.Join(err, fmt.Errorf("%d blocks were not as written: %w", stats.Mismatches, errors.Join(w.progress.details...)))
	}
	if err != nil {
		err = fmt.Errorf("writer on %s: %w", w.name, err)
	}
	return stats, err
}

func (w *Writer) verifyAll() {
	// In a container /proc/sys is read-only: there O_DIRECT alone has to do.
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0); err != nil && !errors.Is(err, unix.EROFS) {
		w.fail(err)
		return
	}
	for _, l := range w.lanes {
		w.running.Go(func() {
			for _, b := range l.blocks {
				if b.version == 0 {
					continue
				}
				if err := w.check(l, b); err != nil {
					w.fail(err)
					return
				}
			}
		})
	}
	w.running.Wait()
}

func (w *Writer) close() error {
	var errs []error
	for _, l := range w.lanes {
		errs = append(errs, unix.Munmap(l.buf))
	}
	return errors.Join(append(errs, w.disk.Close())...)
}
