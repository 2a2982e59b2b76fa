package nvmet

import (
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/braid-csi/braid/hack/configfs"
)

// NamespaceConfig describes a namespace.
type NamespaceConfig struct {
	NSID uint32
	// Device is a block device, or a regular file, which the target reads and
	// writes through the page cache.
	Device string
	// UUID and NGUID identify the namespace to hosts. The kernel makes up a new
	// UUID for each incarnation if it is told none.
	UUID, NGUID string
	// ANAGroup is 1 if it is left at 0. Hosts see the states ports give it.
	ANAGroup uint32
	// Disabled leaves it to the caller to enable the namespace.
	Disabled bool
}

// Namespace is a namespace of a subsystem.
type Namespace struct {
	NSID      uint32
	subsystem *Subsystem
	object    configfs.Object
}

// NewNamespace creates and enables a namespace.
func (s *Subsystem) NewNamespace(cfg NamespaceConfig) (*Namespace, error) {
	id := strconv.FormatUint(uint64(cfg.NSID), 10)
	n := &Namespace{NSID: cfg.NSID, subsystem: s, object: s.object.Child("namespaces", id)}
	if err := n.object.Make(); err != nil {
		return nil, fmt.Errorf("nvmet namespace: %w", err)
	}
	s.namespaces = append(s.namespaces, n)
	info, err := os.Stat(cfg.Device)
	if err != nil {
		return nil, fmt.Errorf("nvmet namespace %d: %w", cfg.NSID, err)
	}
	// The identity before enabling: then hosts never see another.
	err = set(n.object,
		setting{"buffered_io", 1, !info.Mode().IsRegular()},
		setting{"device_path", cfg.Device, false},
		setting{"device_uuid", cfg.UUID, cfg.UUID == ""},
		setting{"device_nguid", cfg.NGUID, cfg.NGUID == ""},
		setting{"ana_grpid", cfg.ANAGroup, cfg.ANAGroup == 0},
		setting{"enable", 1, cfg.Disabled},
	)
	if err != nil {
		return nil, fmt.Errorf("nvmet namespace: %w", err)
	}
	return n, nil
}

// Enable makes the namespace appear on every controller of its subsystem.
func (n *Namespace) Enable() error { return n.set("enable", 1) }

// Disable makes it disappear. Hosts lose its head and its counters.
func (n *Namespace) Disable() error { return n.set("enable", 0) }

// SetANAGroup moves the namespace to another ANA group.
func (n *Namespace) SetANAGroup(group uint32) error { return n.set("ana_grpid", group) }

// RevalidateSize makes the target look at the size of the device again and
// tell hosts.
func (n *Namespace) RevalidateSize() error { return n.set("revalidate_size", 1) }

// Remove destroys the namespace.
func (n *Namespace) Remove() error {
	n.subsystem.namespaces = slices.DeleteFunc(n.subsystem.namespaces, func(o *Namespace) bool { return o == n })
	if err := n.object.Remove(); err != nil {
		return fmt.Errorf("nvmet namespace: %w", err)
	}
	return nil
}

func (n *Namespace) set(attribute string, value any) error {
	if err := n.object.Set(attribute, value); err != nil {
		return fmt.Errorf("nvmet namespace: %w", err)
	}
	return nil
}
