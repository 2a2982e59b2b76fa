package nvmehost

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/braid-csi/braid/hack/poll"
)

// Head is a namespace as users see it, nvmeSnN, whatever paths it has.
type Head struct {
	name string
}

func (h Head) String() string { return h.name }

// MarshalText gives the name.
func (h Head) MarshalText() ([]byte, error) { return []byte(h.name), nil }

// UnmarshalText takes a name.
func (h *Head) UnmarshalText(name []byte) error {
	if !headName.Match(name) {
		return fmt.Errorf("%q is not the name of a head", name)
	}
	h.name = string(name)
	return nil
}

// Dir is the head's folder in sysfs.
func (h Head) Dir() string { return filepath.Join("/sys/block", h.name) }

// Counter reads one of the head's diagnostic counters.
func (h Head) Counter(name string) (uint64, error) { return readCounter(h.Dir(), name) }

// Device is the head's device node.
func (h Head) Device() string { return filepath.Join("/dev", h.name) }

var (
	headName = regexp.MustCompile(`^nvme[0-9]+n[0-9]+$`)
	pathName = regexp.MustCompile(`^nvme([0-9]+)c([0-9]+)n([0-9]+)$`)
)

// WaitHead waits for the head of the namespace with that UUID and its device
// node. The kernel finds namespaces after the controller is live.
func WaitHead(ctx context.Context, uuid string) (Head, error) {
	var h Head
	err := poll.Until(ctx, "the head of namespace "+uuid, func() (bool, error) {
		var err error
		h, err = FindHead(uuid)
		if err != nil || h.name == "" {
			return false, err
		}
		_, err = os.Stat(h.Device())
		return err == nil, nil
	})
	return h, err
}

// FindHead returns the head of the namespace with that UUID, a zero Head if
// there is none.
func FindHead(uuid string) (Head, error) {
	disks, err := os.ReadDir("/sys/block")
	if err != nil {
		return Head{}, err
	}
	for _, d := range disks {
		if !headName.MatchString(d.Name()) {
			continue
		}
		if have, err := readAttribute(filepath.Join("/sys/block", d.Name(), "uuid")); err == nil && have == uuid {
			return Head{d.Name()}, nil
		}
	}
	return Head{}, nil
}

// SetIOPolicy sets the policy of the head's subsystem.
func (h Head) SetIOPolicy(policy string) error {
	dir, err := filepath.EvalSymlinks(filepath.Join("/sys/block", h.name, "device"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "iopolicy"), []byte(policy), 0)
}

// Size is the head's size in bytes. sysfs counts in sectors of 512 bytes,
// whatever the logical block size is.
func (h Head) Size() (int64, error) {
	s, err := readAttribute(filepath.Join(h.Dir(), "size"))
	if err != nil {
		return 0, err
	}
	sectors, err := strconv.ParseInt(s, 10, 64)
	return sectors * 512, err
}

// Paths are the head's paths. A path has the subsystem's and the head's
// instance in its name, and its controller's between them.
func (h Head) Paths() ([]Path, error) {
	disks, err := os.ReadDir("/sys/block")
	if err != nil {
		return nil, err
	}
	var paths []Path
	for _, d := range disks {
		m := pathName.FindStringSubmatch(d.Name())
		if m == nil || fmt.Sprintf("nvme%sn%s", m[1], m[3]) != h.name {
			continue
		}
		instance, err := strconv.Atoi(m[2])
		if err != nil {
			return nil, err
		}
		paths = append(paths, Path{d.Name(), Controller{instance}})
	}
	return paths, nil
}

// WaitPaths waits until the head has a path over each of the controllers, and
// returns them in that order.
func (h Head) WaitPaths(ctx context.Context, controllers ...Controller) ([]Path, error) {
	found := make([]Path, len(controllers))
	err := poll.Until(ctx, fmt.Sprintf("%s to have paths over %v", h, controllers), func() (bool, error) {
		paths, err := h.Paths()
		if err != nil {
			return false, err
		}
		missing := len(controllers)
		for i, c := range controllers {
			for _, p := range paths {
				if p.Controller == c {
					found[i] = p
					missing--
				}
			}
		}
		return missing == 0, nil
	})
	return found, err
}
