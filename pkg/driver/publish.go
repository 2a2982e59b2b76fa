package driver

import (
	"context"
	"fmt"

	"github.com/container-storage-interface/spec/lib/go/csi"

	"github.com/braid-csi/braid/pkg/volume"
)

// publication is a NodePublishVolumeRequest, checked.
type publication struct {
	id, staging, target string
	use                 usage
}

func parsePublish(req *csi.NodePublishVolumeRequest) (publication, error) {
	var p problems
	pub := publication{
		id:     p.volumeID(req.GetVolumeId()),
		target: p.path("target_path", req.GetTargetPath()),
		use:    p.capability(req.GetVolumeCapability()),
	}
	pub.use.readOnly = pub.use.readOnly || req.GetReadonly()
	if req.GetStagingTargetPath() != "" {
		pub.staging = p.path("staging_target_path", req.GetStagingTargetPath())
	}
	if err := p.err(); err != nil {
		return pub, err
	}
	if pub.staging == "" {
		return pub, fmt.Errorf("%w: staging_target_path: is missing", errPrecondition)
	}
	return pub, nil
}

// NodePublishVolume shows a staged volume at the target path.
func (d *Driver) NodePublishVolume(ctx context.Context, req *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	want, err := parsePublish(req)
	if err != nil {
		return nil, err
	}
	unlock, err := d.locks.lock(want.id)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := d.publish(ctx, want); err != nil {
		return nil, err
	}
	return &csi.NodePublishVolumeResponse{}, nil
}

func (d *Driver) publish(ctx context.Context, want publication) error {
	staged, ok, err := d.Volumes.Staged(want.staging)
	switch {
	case err != nil:
		return err
	case !ok:
		return fmt.Errorf("%w: staging_target_path: no volume is staged at %s", errPrecondition, want.staging)
	case staged.FSType != want.use.fsType:
		return fmt.Errorf("%w: volume_capability: the volume is staged as %s, not as %s", errPrecondition, kind(staged.FSType), kind(want.use.fsType))
	}
	if want.use.oneTarget {
		if err := d.unpublished(staged, want.target); err != nil {
			return err
		}
	}
	return d.Volumes.Publish(ctx, staged, want.target, want.use.readOnly)
}

// unpublished returns an error if the volume is published elsewhere than at
// the target. Mounts of its subdirectories are made by kubelet, not published.
func (d *Driver) unpublished(staged volume.Mount, target string) error {
	at, published, err := d.Volumes.Mounted(target)
	if err != nil || published && at.DevNum == staged.DevNum {
		return err
	}
	mounts, err := d.Volumes.MountsOf(staged.DevNum)
	if err != nil {
		return err
	}
	for _, m := range mounts {
		if m.Path != staged.Path && !m.Partial {
			return fmt.Errorf("%w: volume_capability.access_mode allows one target_path, and the volume is published at %s", errPrecondition, m.Path)
		}
	}
	return nil
}

// kind names a file system, or the lack of one.
func kind(fsType string) string {
	if fsType == "" {
		return "a raw block device"
	}
	return fsType
}

// NodeUnpublishVolume takes a volume off the target path and removes the path.
func (d *Driver) NodeUnpublishVolume(ctx context.Context, req *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	var p problems
	id := p.volumeID(req.GetVolumeId())
	target := p.path("target_path", req.GetTargetPath())
	if err := p.err(); err != nil {
		return nil, err
	}
	unlock, err := d.locks.lock(id)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := d.Volumes.Unpublish(ctx, target); err != nil {
		return nil, err
	}
	return &csi.NodeUnpublishVolumeResponse{}, nil
}
