package native

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/braid-csi/braid/pkg/faultpoint"
)

// errGone says that a kernel object vanished while it was being read, which
// is normal: the scan leaves it out.
var errGone = errors.New("gone")

// maxAttribute is the most that sysfs gives of one attribute: a page.
const maxAttribute = 4096

// attributes reads sysfs attributes below root. Files read at every scan stay
// open, which makes reading them again about three times cheaper (see
// BenchmarkAttributes). An open file belongs to the kernel object it was
// opened for: when that is gone it reads ENODEV, so the name of a device that
// was made anew is never answered from the old one.
type attributes struct {
	root string

	mu   sync.Mutex // guards open; reads of one scan do not compete
	open map[string]*openAttribute
	scan uint64 // counts scans, to close what the last one did not read
}

type openAttribute struct {
	fd   int
	scan uint64
}

func newAttributes(root string) *attributes {
	return &attributes{root: root, open: map[string]*openAttribute{}}
}

// read returns an attribute without its final newline. Objects and attributes
// that are not there give errGone.
func (a *attributes) read(elem ...string) (string, error) {
	path := filepath.Join(append([]string{a.root}, elem...)...)
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", readError(path, err)
	}
	defer unix.Close(fd)
	return pread(fd, path)
}

// reread does the same through a file that stays open.
func (a *attributes) reread(elem ...string) (string, error) {
	path := filepath.Join(append([]string{a.root}, elem...)...)
	a.mu.Lock()
	defer a.mu.Unlock()
	if o := a.open[path]; o != nil {
		o.scan = a.scan
		s, err := pread(o.fd, path)
		if !errors.Is(err, errGone) {
			return s, err
		}
		unix.Close(o.fd)
		delete(a.open, path)
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", readError(path, err)
	}
	a.open[path] = &openAttribute{fd: fd, scan: a.scan}
	return pread(fd, path)
}

// endScan closes the files that no scan since the last call has read.
func (a *attributes) endScan() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for path, o := range a.open {
		if o.scan != a.scan {
			unix.Close(o.fd)
			delete(a.open, path)
		}
	}
	a.scan++
}

// close closes every file.
func (a *attributes) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for path, o := range a.open {
		unix.Close(o.fd)
		delete(a.open, path)
	}
}

func pread(fd int, path string) (string, error) {
	var buf [maxAttribute]byte
	for {
		n, err := unix.Pread(fd, buf[:], 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return "", readError(path, err)
		}
		return strings.TrimRight(string(buf[:n]), "\n\x00 "), nil
	}
}

func readError(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), err == unix.ENODEV, err == unix.ENXIO, err == unix.ENOTDIR:
		return fmt.Errorf("%s: %w", path, errGone)
	}
	return &fs.PathError{Op: "read", Path: path, Err: err}
}

// write sets an attribute that the kernel answers at once.
func (a *attributes) write(value string, elem ...string) error {
	path := filepath.Join(append([]string{a.root}, elem...)...)
	faultpoint.Before("write", path)
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return readError(path, err)
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte(value)); err != nil {
		return &fs.PathError{Op: "write", Path: path, Err: err}
	}
	return nil
}
