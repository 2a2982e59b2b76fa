package nvmehost

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

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
	b, err := os.ReadFile(filepath.Join(c.Dir(), "state"))
	if errors.Is(err, fs.ErrNotExist) {
		return "gone", nil
	}
	return strings.TrimSpace(string(b)), err
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
