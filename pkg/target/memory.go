package target

import "sync"

// chunkSize is the unit in which memory is allocated, locked and given back. No
// block lies in two of them, so every block is written and read as a whole.
const chunkSize = 1 << 18

// memory is a namespace in memory. What was never written takes none.
type memory struct {
	size   int64
	chunks []chunk
}

type chunk struct {
	sync.RWMutex
	data []byte // nil reads as zeros
}

func newMemory(size int64) *memory {
	return &memory{size: size, chunks: make([]chunk, (size+chunkSize-1)/chunkSize)}
}

func (m *memory) Size() int64  { return m.size }
func (m *memory) Sync() error  { return nil }
func (m *memory) Close() error { return nil }

func (m *memory) ReadAt(b []byte, offset int64) (int, error) {
	return len(b), m.each(offset, int64(len(b)), func(c *chunk, at, done, n int64) {
		c.RLock()
		defer c.RUnlock()
		part := b[done : done+n]
		if c.data == nil {
			clear(part)
			return
		}
		copy(part, c.data[at:])
	})
}

func (m *memory) WriteAt(b []byte, offset int64) (int, error) {
	return len(b), m.each(offset, int64(len(b)), func(c *chunk, at, done, n int64) {
		c.Lock()
		defer c.Unlock()
		if c.data == nil {
			c.data = make([]byte, chunkSize)
		}
		copy(c.data[at:], b[done:done+n])
	})
}

func (m *memory) Zero(offset, length int64) error {
	return m.each(offset, length, func(c *chunk, at, _, n int64) {
		c.Lock()
		defer c.Unlock()
		switch {
		case c.data == nil:
		case n == chunkSize:
			c.data = nil
		default:
			clear(c.data[at : at+n])
		}
	})
}

// each calls f for the part of the range in each chunk: at is where in the
// chunk, done where in the range, n how much.
func (m *memory) each(offset, length int64, f func(c *chunk, at, done, n int64)) error {
	for done := int64(0); done < length; {
		at := (offset + done) % chunkSize
		n := min(chunkSize-at, length-done)
		f(&m.chunks[(offset+done)/chunkSize], at, done, n)
		done += n
	}
	return nil
}
