package target

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// backend holds the bytes of a namespace. Its methods may be called at the same
// time; a range never goes over the end.
type backend interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() int64
	// Zero makes a range read as zeros and gives its space back if it can.
	Zero(offset, length int64) error
	// Sync makes durable what was written.
	Sync() error
}

// file is a namespace in a regular file or on a block device.
type file struct {
	*os.File
	size int64
}

func openFile(name string) (*file, error) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil && size == 0 {
		err = fmt.Errorf("%s is empty", name)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &file{f, size}, nil
}

func (f *file) Size() int64 { return f.size }

// The flags of fallocate(2); block devices understand them too.
const keepSizePunchHole = 0x01 | 0x02

func (f *file) Zero(offset, length int64) error {
	err := syscall.Fallocate(int(f.Fd()), keepSizePunchHole, offset, length)
	if !errors.Is(err, syscall.EOPNOTSUPP) {
		return err
	}
	zeros := make([]byte, min(length, 1<<20))
	for length > 0 {
		n := min(length, int64(len(zeros)))
		if _, err := f.WriteAt(zeros[:n], offset); err != nil {
			return err
		}
		offset, length = offset+n, length-n
	}
	return nil
}
