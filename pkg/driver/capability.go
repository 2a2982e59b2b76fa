package driver

import (
	"errors"
	"fmt"
	"slices"

	"github.com/container-storage-interface/spec/lib/go/csi"

	"github.com/braid-csi/braid/pkg/volume"
)

// accessMode is what one of CSI's access modes means on a node.
type accessMode struct {
	// readOnly: nobody may write to the volume.
	readOnly bool
	// oneTarget: the volume may be published at one path only.
	oneTarget bool
	// rawOnly: the volume may be written from several nodes, which neither
	// ext4 nor xfs survives.
	rawOnly bool
}

// accessModes are the modes that are served. MULTI_NODE_SINGLE_WRITER is not:
// nothing here could keep the second writer out. The oneTarget column is
// NodePublishVolume's table for plugins with SINGLE_NODE_MULTI_WRITER.
var accessModes = map[csi.VolumeCapability_AccessMode_Mode]accessMode{
	csi.VolumeCapability_AccessMode_SINGLE_NODE_WRITER:        {oneTarget: true},
	csi.VolumeCapability_AccessMode_SINGLE_NODE_SINGLE_WRITER: {oneTarget: true},
	csi.VolumeCapability_AccessMode_SINGLE_NODE_MULTI_WRITER:  {},
	csi.VolumeCapability_AccessMode_SINGLE_NODE_READER_ONLY:   {readOnly: true, oneTarget: true},
	csi.VolumeCapability_AccessMode_MULTI_NODE_READER_ONLY:    {readOnly: true},
	csi.VolumeCapability_AccessMode_MULTI_NODE_MULTI_WRITER:   {rawOnly: true},
}

// usage is how a volume shall be used: a volume capability, checked.
type usage struct {
	accessMode
	raw     bool     // the device itself, without a file system
	fsType  string   // empty if raw
	options []string // mount options
}

// fileSystem returns what shall be mounted.
func (u usage) fileSystem() volume.FileSystem {
	return volume.FileSystem{Type: u.fsType, Options: u.options, ReadOnly: u.readOnly}
}

// capability checks a volume capability.
func (p *problems) capability(c *csi.VolumeCapability) usage {
	const field = "volume_capability"
	if c == nil {
		p.add(field, errors.New("is missing"))
		return usage{}
	}
	mode := c.GetAccessMode().GetMode()
	access, served := accessModes[mode]
	if !served {
		p.add(field+".access_mode", fmt.Errorf("%s is not supported", mode))
	}
	u := usage{accessMode: access}
	switch c.GetAccessType().(type) {
	case *csi.VolumeCapability_Block:
		u.raw = true
	case *csi.VolumeCapability_Mount:
		if access.rawOnly {
			p.add(field+".access_mode", fmt.Errorf("%s needs a raw block volume: a file system has one writing node", mode))
		}
		p.mount(field+".mount", c.GetMount(), &u)
	default:
		p.add(field, errors.New("has neither block nor mount"))
	}
	return u
}

// mount checks how a file system shall be mounted, and notes it in u.
func (p *problems) mount(field string, m *csi.VolumeCapability_MountVolume, u *usage) {
	u.fsType = m.GetFsType()
	if u.fsType == "" {
		u.fsType = volume.Ext4
	}
	p.add(field+".fs_type", volume.CheckFSType(u.fsType))
	for _, o := range m.GetMountFlags() {
		p.add(field+".mount_flags", volume.CheckMountOption(o))
	}
	u.options = m.GetMountFlags()
	ro, rw := slices.Contains(u.options, "ro"), slices.Contains(u.options, "rw")
	if rw && (ro || u.readOnly) {
		p.add(field+".mount_flags", errors.New(`"rw" contradicts the access mode or "ro"`))
	}
	u.readOnly = u.readOnly || ro
	if m.GetVolumeMountGroup() != "" {
		p.add(field+".volume_mount_group", errors.New("is not supported"))
	}
}
