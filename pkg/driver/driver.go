package driver

import (
	"context"
	"errors"
	"fmt"

	"github.com/container-storage-interface/spec/lib/go/csi"

	"github.com/braid-csi/braid/pkg/attachment"
	"github.com/braid-csi/braid/pkg/health"
	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/volume"
)

// Name is the driver's name, as CSIDriver objects and PersistentVolumes have
// it.
const Name = attachment.Driver

// maxNodeID is the longest node_id, in bytes (CSI 1.13, NodeGetInfo).
const maxNodeID = 256

// paths connects volumes and disconnects them: the multipath layer.
type paths interface {
	// Ensure connects the volume, waits for its minPaths and returns its
	// device. It is idempotent; other parameters than those of a staged
	// volume are multipath.ErrConflict.
	Ensure(ctx context.Context, v multipath.Volume) (multipath.Device, error)
	// Release disconnects what only this volume needs. devNum is the device
	// that was found staged, empty if none was: it identifies a volume of
	// which there is no record. Neither record nor device is nil.
	Release(ctx context.Context, volumeID, devNum string) error
	// Serves tells whether the device is the volume's namespace, without
	// connecting anything.
	Serves(ctx context.Context, v multipath.Volume, devNum string) (bool, error)
	// Rescan asks every live controller for the namespace's size and returns
	// the device with it.
	Rescan(ctx context.Context, volumeID, devNum string) (multipath.Device, error)
}

// findings answers how volumes are, from memory.
type findings interface {
	// Ready tells whether anything is known yet.
	Ready() bool
	Findings(volumeID string) (found []health.Finding, known bool)
	NodeFindings() []health.Finding
}

// Config is what a driver is made of.
type Config struct {
	NodeID  string // as the cluster knows the node, at most 256 bytes
	Version string // of Braid
	Paths   paths
	Volumes *volume.Volumes
	Health  findings
	// LegacyVolumeCondition makes answers about a volume's usage bear its
	// health too, for kubelets up to 1.36.
	LegacyVolumeCondition bool
	// Probe tells why the node cannot serve volumes at all; nil if it can.
	// Without it the driver is always fine. It is called often, and must not
	// touch a device.
	Probe func(context.Context) error
	// Reported returns once the cluster knows that this node has a volume's
	// paths; nil where nobody is told. It is called before a volume is mounted,
	// so that what is mounted has always been reported: the cluster relies on
	// that before it gives the volume to another node.
	Reported func(ctx context.Context, volumeID string) error
}

// Driver serves CSI for one node.
type Driver struct {
	csi.UnimplementedIdentityServer
	csi.UnimplementedNodeServer

	Config
	locks volumeLocks
}

// New returns a driver.
func New(c Config) (*Driver, error) {
	switch {
	case c.NodeID == "" || len(c.NodeID) > maxNodeID:
		return nil, fmt.Errorf("the node ID has %d bytes, 1 to %d are needed", len(c.NodeID), maxNodeID)
	case c.Version == "":
		return nil, errors.New("the version is empty")
	case c.Paths == nil || c.Volumes == nil || c.Health == nil:
		return nil, errors.New("paths, volumes or health are missing")
	}
	return &Driver{Config: c}, nil
}
