package driver

import (
	"context"
	"fmt"

	"github.com/container-storage-interface/spec/lib/go/csi"

	"github.com/braid-csi/braid/pkg/volume"
)

// expansion is a NodeExpandVolumeRequest, checked.
type expansion struct {
	id, path string
	staging  string // empty if not given
	// required and limit bound the size in bytes; 0: unbounded.
	required, limit int64
}

func parseExpand(req *csi.NodeExpandVolumeRequest) (expansion, error) {
	var p problems
	e := expansion{
		id:       p.volumeID(req.GetVolumeId()),
		path:     p.location("volume_path", req.GetVolumePath()),
		required: req.GetCapacityRange().GetRequiredBytes(),
		limit:    req.GetCapacityRange().GetLimitBytes(),
	}
	if req.GetStagingTargetPath() != "" {
		e.staging = p.path("staging_target_path", req.GetStagingTargetPath())
	}
	if e.required < 0 || e.limit < 0 || e.limit > 0 && e.limit < e.required {
		p.add("capacity_range", fmt.Errorf("%d to %d bytes is no range", e.required, e.limit))
	}
	if req.GetVolumeCapability() != nil {
		p.capability(req.GetVolumeCapability())
	}
	return e, p.err()
}

// NodeExpandVolume lets a volume fill a namespace that has grown.
func (d *Driver) NodeExpandVolume(ctx context.Context, req *csi.NodeExpandVolumeRequest) (*csi.NodeExpandVolumeResponse, error) {
	want, err := parseExpand(req)
	if err != nil {
		return nil, err
	}
	unlock, err := d.locks.lock(want.id)
	if err != nil {
		return nil, err
	}
	defer unlock()
	size, err := d.expand(ctx, want)
	if err != nil {
		return nil, err
	}
	return &csi.NodeExpandVolumeResponse{CapacityBytes: size}, nil
}

// expand returns the volume's size in bytes.
func (d *Driver) expand(ctx context.Context, want expansion) (int64, error) {
	mounted, err := d.locate(want.path, want.staging)
	if err != nil {
		return 0, err
	}
	dev, err := d.Paths.Rescan(ctx, want.id, mounted.DevNum)
	switch {
	case err != nil:
		return 0, err
	case dev.DevNum != mounted.DevNum:
		return 0, fmt.Errorf("%w: the volume is %s now, what is mounted at %s is %s", errPrecondition, dev.DevNum, mounted.Path, mounted.DevNum)
	case dev.SizeBytes < want.required:
		// Not out of range: the namespace may be about to grow.
		return 0, fmt.Errorf("the device has %d bytes, %d are required: the namespace has not grown yet", dev.SizeBytes, want.required)
	case want.limit > 0 && dev.SizeBytes > want.limit:
		return 0, fmt.Errorf("%w: the device has %d bytes, the limit is %d", errOutOfRange, dev.SizeBytes, want.limit)
	case mounted.Raw():
		return dev.SizeBytes, nil
	}
	return dev.SizeBytes, d.Volumes.Grow(ctx, volume.Device{Path: dev.Path, DevNum: dev.DevNum}, mounted.Path)
}

// locate finds the volume that is mounted at path, or staged there. If it is
// also staged at the path staging, that mount is returned: a published one may
// be read-only while the volume is not.
func (d *Driver) locate(path, staging string) (volume.Mount, error) {
	at, ok, err := d.Volumes.Staged(path)
	switch {
	case err != nil:
		return at, err
	case !ok:
		return at, fmt.Errorf("%w: volume_path: no volume is mounted at %s", errNotFound, path)
	case staging == "":
		return at, nil
	}
	staged, ok, err := d.Volumes.Staged(staging)
	switch {
	case err != nil:
		return at, err
	case !ok:
		return at, nil
	case staged.DevNum != at.DevNum:
		return at, fmt.Errorf("%w: volume_path: %s is mounted at %s, %s at staging_target_path", errNotFound, at.DevNum, path, staged.DevNum)
	case staged.Raw() != at.Raw():
		return at, fmt.Errorf("%w: volume_path and staging_target_path: one is raw, the other is not", errPrecondition)
	}
	return staged, nil
}
