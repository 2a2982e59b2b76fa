package driver

import (
	"context"
	"fmt"

	"github.com/container-storage-interface/spec/lib/go/csi"
)

// NodeUnstageVolume unmounts a volume and disconnects what only it needs. It
// succeeds only if both did: a volume that is reported as gone from this node
// may be written by another the moment after.
func (d *Driver) NodeUnstageVolume(ctx context.Context, req *csi.NodeUnstageVolumeRequest) (*csi.NodeUnstageVolumeResponse, error) {
	var p problems
	id := p.volumeID(req.GetVolumeId())
	path := p.path("staging_target_path", req.GetStagingTargetPath())
	if err := p.err(); err != nil {
		return nil, err
	}
	unlock, err := d.locks.lock(id)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := d.unstage(ctx, id, path); err != nil {
		return nil, err
	}
	return &csi.NodeUnstageVolumeResponse{}, nil
}

func (d *Driver) unstage(ctx context.Context, id, path string) error {
	staged, ok, err := d.Volumes.Staged(path)
	if err != nil {
		return err
	}
	// Before anything is undone: once the staging mount is gone, a repeated
	// call could no longer tell that the device is still in use.
	if ok {
		mounts, err := d.Volumes.MountsOf(staged.DevNum)
		if err != nil {
			return err
		}
		for _, m := range mounts {
			if m.Path != staged.Path {
				return fmt.Errorf("%w: the volume is still mounted at %s", errPrecondition, m.Path)
			}
		}
	}
	if err := d.Volumes.Unstage(ctx, path); err != nil {
		return fmt.Errorf("the volume is not unmounted: %w", err)
	}
	if err := d.Paths.Release(ctx, id, staged.DevNum); err != nil {
		return fmt.Errorf("the volume is unmounted, but its paths are not disconnected: %w", err)
	}
	return nil
}
