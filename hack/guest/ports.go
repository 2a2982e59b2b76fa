package guest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/braid-csi/braid/hack/poll"
)

// ports are the guest's ends of the virtio-serial ports.
type ports struct {
	stdout, stderr, status, files *os.File
}

// openPorts waits for the ports: the driver learns of them one by one from
// messages the device sends.
func openPorts() (*ports, error) {
	p := &ports{}
	for name, file := range map[string]**os.File{
		PortStdout: &p.stdout, PortStderr: &p.stderr, PortStatus: &p.status, PortFiles: &p.files,
	} {
		f, err := openPort(name, 10*time.Second)
		if err != nil {
			return nil, err
		}
		*file = f
	}
	return p, nil
}

func openPort(name string, patience time.Duration) (*os.File, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var dev string
	err := poll.Until(ctx, "virtio port "+name, func() (_ bool, err error) {
		dev, err = findPort(name)
		return dev != "", err
	})
	if err != nil {
		return nil, err
	}
	// Blocking on purpose: then a write returns when QEMU has the data, and
	// none is lost at power off.
	fd, err := unix.Open(dev, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("port %s: %s: %w", name, dev, err)
	}
	return os.NewFile(uintptr(fd), dev), nil
}

// findPort returns the device node of the port of that name, "" if there is
// none yet. A name that cannot be read belongs to a port still appearing.
func findPort(name string) (string, error) {
	files, err := filepath.Glob("/sys/class/virtio-ports/*/name")
	if err != nil {
		return "", err
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil || strings.TrimSpace(string(b)) != name {
			continue
		}
		dev := filepath.Join("/dev", filepath.Base(filepath.Dir(f)))
		_, err = os.Stat(dev)
		if errors.Is(err, fs.ErrNotExist) {
			return "", nil
		}
		return dev, err
	}
	return "", nil
}
