package target

import "math/bits"

// arena is the memory for the data of writes on one connection. Buffers are
// kept for the next command of their size; together they are never larger than
// what the arena was given.
type arena struct {
	left int                   // what may still be allocated
	idle [sizeClasses][][]byte // by size class
}

const (
	smallestClass = 12 // 4 KiB
	sizeClasses   = 9  // up to 1 MiB, which is maxTransfer
)

// class is the size class of n bytes.
func class(n int) int { return max(bits.Len(uint(n-1))-smallestClass, 0) }

// get returns a buffer of n bytes, nil if there is no memory for it now.
func (a *arena) get(n int) []byte {
	k := class(n)
	if last := len(a.idle[k]) - 1; last >= 0 {
		b := a.idle[k][last]
		a.idle[k] = a.idle[k][:last]
		return b[:n]
	}
	size := 1 << (k + smallestClass)
	for other := sizeClasses - 1; a.left < size && other >= 0; other-- {
		a.left += len(a.idle[other]) << (other + smallestClass) // for the garbage collector
		a.idle[other] = nil
	}
	if a.left < size {
		return nil
	}
	a.left -= size
	return make([]byte, size)[:n]
}

// put takes a buffer back.
func (a *arena) put(b []byte) {
	if b != nil {
		k := class(cap(b))
		a.idle[k] = append(a.idle[k], b)
	}
}
