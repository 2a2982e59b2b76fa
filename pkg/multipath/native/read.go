package native

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// readSize is how much is read, or one logical block where that is more.
const readSize = 4096

// read reads a block of a device, ENODEV if that is another one by now.
func (j job) read() error {
	fd, err := unix.Open(j.Read, unix.O_RDONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT || err == unix.ENXIO {
		return unix.ENODEV
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if fmt.Sprintf("%d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev)) != j.DevNum {
		return unix.ENODEV
	}
	block, err := unix.IoctlGetInt(fd, unix.BLKSSZGET)
	if err != nil {
		return err
	}
	// Direct I/O wants aligned memory, as pages are.
	pages, err := syscall.Mmap(-1, 0, max(block, readSize), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return err
	}
	defer func() { _ = syscall.Munmap(pages) }()
	_, err = unix.Pread(fd, pages, 0)
	return err
}
