package load

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// alignedBlock returns memory for one block. Direct I/O needs it aligned to
// the block size of the device.
func alignedBlock() ([]byte, error) {
	b, err := unix.Mmap(-1, 0, blockSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("memory for a block: %w", err)
	}
	return b, nil
}
