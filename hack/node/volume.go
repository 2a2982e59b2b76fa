package node

import (
	"errors"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/container-storage-interface/spec/lib/go/csi"
)

// Volume is a volume as a CO knows it.
type Volume struct {
	ID      string
	Context map[string]string
	// FSType is empty for a raw block volume.
	FSType string
	// Staging is a directory that the CO has made, Target a path that the
	// driver makes.
	Staging, Target string
	// Mode is SINGLE_NODE_WRITER if it is left at 0.
	Mode csi.VolumeCapability_AccessMode_Mode
}

// Capability is what the CO asks for.
func (v Volume) Capability() *csi.VolumeCapability {
	mode := v.Mode
	if mode == csi.VolumeCapability_AccessMode_UNKNOWN {
		mode = csi.VolumeCapability_AccessMode_SINGLE_NODE_WRITER
	}
	c := &csi.VolumeCapability{AccessMode: &csi.VolumeCapability_AccessMode{Mode: mode}}
	if v.FSType == "" {
		c.AccessType = &csi.VolumeCapability_Block{Block: &csi.VolumeCapability_BlockVolume{}}
	} else {
		c.AccessType = &csi.VolumeCapability_Mount{Mount: &csi.VolumeCapability_MountVolume{FsType: v.FSType}}
	}
	return c
}

// NewVolume returns a volume that is reached at the addresses, with the
// directories below dir that its CO makes before it stages and publishes.
func NewVolume(dir, id, fsType, nqn, uuid string, addresses ...netip.AddrPort) (Volume, error) {
	var list []string
	for _, a := range addresses {
		list = append(list, a.String())
	}
	v := Volume{
		ID: id, FSType: fsType,
		Context: map[string]string{
			"subsystemNQN": nqn, "namespaceUUID": uuid, "addresses": strings.Join(list, ","),
			// The least there is, so that a repaired path is soon back.
			"reconnectDelay": "1s",
		},
		Staging: filepath.Join(dir, id, "globalmount"),
		Target:  filepath.Join(dir, id, "pod", "volume"),
	}
	return v, errors.Join(os.MkdirAll(v.Staging, 0o750), os.MkdirAll(filepath.Dir(v.Target), 0o750))
}

// With returns the volume with one key of its context set.
func (v Volume) With(key, value string) Volume {
	v.Context = maps.Clone(v.Context)
	v.Context[key] = value
	return v
}

// Without returns it without one.
func (v Volume) Without(key string) Volume {
	v.Context = maps.Clone(v.Context)
	delete(v.Context, key)
	return v
}
