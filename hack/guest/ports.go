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
	// Blocking: a write waits for room, though not until QEMU has the data.
	fd, err := unix.Open(dev, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("port %s: %s: %w", name, dev, err)
	}
	return os.NewFile(uintptr(fd), dev), nil
}

// hostPatience is for how long the host may take to say that it has all.
const hostPatience = 30 * time.Second

// awaitHost waits until the host has the last of the files. Linux hands a
// port's data to QEMU and returns (drivers/char/virtio_console.c,
// port_fops_write), and QEMU takes it when it gets to it: powering off at once
// would lose the end of whatever was written last.
func (p *ports) awaitHost() error {
	word := make(chan error, 1)
	go func() {
		_, err := p.files.Read(make([]byte, 1))
		word <- err
	}()
	select {
	case err := <-word:
		if err != nil {
			return fmt.Errorf("waiting for the host to have all: %w", err)
		}
		return nil
	case <-time.After(hostPatience):
		return fmt.Errorf("the host did not say in %s that it has all", hostPatience)
	}
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
