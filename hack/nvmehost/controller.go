package nvmehost

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/braid-csi/braid/hack/poll"
)

// Controller is a controller of the kernel, nvmeN.
type Controller struct {
	Instance int
}

func (c Controller) String() string { return fmt.Sprintf("nvme%d", c.Instance) }

// Dir is the controller's folder in sysfs.
func (c Controller) Dir() string { return filepath.Join("/sys/class/nvme", c.String()) }

// State is the controller's state, "gone" if there is no such controller.
func (c Controller) State() (string, error) {
	s, err := readAttribute(filepath.Join(c.Dir(), "state"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return "gone", nil
	}
	return s, err
}

// Counter reads one of the controller's diagnostic counters.
func (c Controller) Counter(name string) (uint64, error) { return readCounter(c.Dir(), name) }

// Reset makes the host reset the controller. It returns when the kernel has.
func (c Controller) Reset() error {
	return os.WriteFile(filepath.Join(c.Dir(), "reset_controller"), []byte("1"), 0)
}

// Addr is the target's address; the kernel writes it as
// traddr=ADDRESS,trsvcid=PORT with the host's own after it.
func (c Controller) Addr() (netip.AddrPort, error) {
	s, err := readAttribute(filepath.Join(c.Dir(), "address"))
	if err != nil {
		return netip.AddrPort{}, err
	}
	var ip, port string
	for field := range strings.SplitSeq(s, ",") {
		switch name, value, _ := strings.Cut(field, "="); name {
		case "traddr":
			ip = value
		case "trsvcid":
			port = value
		}
	}
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("address of %s: %q: %w", c, s, err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("address of %s: %q: %w", c, s, err)
	}
	return netip.AddrPortFrom(addr, uint16(n)), nil
}

// Controllers lists every controller there is, whoever connected it.
func Controllers() ([]Controller, error) {
	entries, err := os.ReadDir("/sys/class/nvme")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // the module is not loaded
	}
	var all []Controller
	for _, e := range entries {
		var c Controller
		if _, err := fmt.Sscanf(e.Name(), "nvme%d", &c.Instance); err == nil && c.String() == e.Name() {
			all = append(all, c)
		}
	}
	return all, err
}

// WaitState waits until the controller is in a state.
func (c Controller) WaitState(ctx context.Context, want string) error {
	var last string
	err := poll.Until(ctx, fmt.Sprintf("%s to be %s", c, want), func() (bool, error) {
		var err error
		last, err = c.State()
		return last == want, err
	})
	if err != nil {
		return fmt.Errorf("%w (it is %s)", err, last)
	}
	return nil
}

// Disconnect deletes the controller; that there is none is fine. It returns
// when the kernel has, which takes long with a path that is silent.
func (c Controller) Disconnect() error {
	err := os.WriteFile(filepath.Join(c.Dir(), "delete_controller"), []byte("1"), 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
