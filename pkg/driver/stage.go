package driver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/volume"
)

// unwindTimeout bounds how long a failed call may take to disconnect what it
// connected.
const unwindTimeout = 30 * time.Second

// staging is a NodeStageVolumeRequest, checked.
type staging struct {
	volume multipath.Volume
	path   string
	use    usage
}

func parseStage(req *csi.NodeStageVolumeRequest) (staging, error) {
	var p problems
	id := p.volumeID(req.GetVolumeId())
	s := staging{
		path:   p.path("staging_target_path", req.GetStagingTargetPath()),
		use:    p.capability(req.GetVolumeCapability()),
		volume: p.volumeContext(req.GetVolumeContext()),
	}
	s.volume.ID, s.volume.Origin = id, p.publishContext(req.GetPublishContext())
	return s, p.err()
}

// NodeStageVolume connects a volume and mounts its file system at the staging
// path, or binds its device node below it.
func (d *Driver) NodeStageVolume(ctx context.Context, req *csi.NodeStageVolumeRequest) (*csi.NodeStageVolumeResponse, error) {
	want, err := parseStage(req)
	if err != nil {
		return nil, err
	}
	unlock, err := d.locks.lock(want.volume.ID)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := d.stage(ctx, want); err != nil {
		return nil, err
	}
	return &csi.NodeStageVolumeResponse{}, nil
}

func (d *Driver) stage(ctx context.Context, want staging) error {
	staged, err := d.stageable(ctx, want)
	if err != nil {
		return err
	}
	dev, err := d.Paths.Ensure(ctx, want.volume)
	if err != nil {
		return err
	}
	// What is mounted already was reported before it was, and a cluster that
	// cannot be told again must not keep it from its pods.
	if !staged {
		err = d.report(ctx, want.volume.ID)
	}
	if err == nil {
		err = d.use(ctx, want, volume.Device{Path: dev.Path, DevNum: dev.DevNum})
	}
	if err != nil {
		return d.unwind(ctx, want.volume.ID, dev.DevNum, err)
	}
	return nil
}

// report waits until the cluster knows that this node has the volume.
func (d *Driver) report(ctx context.Context, volumeID string) error {
	if d.Reported == nil {
		return nil
	}
	if err := d.Reported(ctx, volumeID); err != nil {
		return fmt.Errorf("%w: %w", errNotReported, err)
	}
	return nil
}

// use mounts a device, or binds its node, at the staging path.
func (d *Driver) use(ctx context.Context, want staging, dev volume.Device) error {
	if want.use.raw {
		return d.Volumes.StageRaw(ctx, dev, want.path)
	}
	return d.Volumes.Mount(ctx, dev, want.path, want.use.fileSystem())
}

// stageable finds what stands in the way at the staging path before anything
// is connected, and tells whether the volume is there already.
func (d *Driver) stageable(ctx context.Context, want staging) (staged bool, err error) {
	have, staged, err := d.Volumes.Staged(want.path)
	switch {
	case err != nil:
		return false, err
	case staged:
		return true, d.restageable(ctx, want, have)
	}
	// Only now: what is mounted there might not answer.
	info, err := os.Lstat(want.path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return false, fmt.Errorf("%w: staging_target_path %s does not exist", errPrecondition, want.path)
	case err != nil:
		return false, err
	case !info.IsDir():
		return false, fmt.Errorf("%w: staging_target_path %s is not a directory", errPrecondition, want.path)
	}
	return false, nil
}

// restageable finds out whether what is at the staging path is the volume, as
// it is asked for.
func (d *Driver) restageable(ctx context.Context, want staging, have volume.Mount) error {
	serves, err := d.Paths.Serves(ctx, want.volume, have.DevNum)
	switch {
	case err != nil:
		return err
	case !serves:
		return fmt.Errorf("%w: staging_target_path %s: device %s is there, and not the volume's (any more)", errPrecondition, want.path, have.DevNum)
	}
	fs := want.use.fileSystem()
	return have.Matches(volume.Mount{
		DevNum:   have.DevNum,
		FSType:   fs.Type,
		ReadOnly: fs.ReadOnly && !want.use.raw,
	})
}

// unwind disconnects the volume of a call that failed with cause, unless
// something uses its device: an earlier call's mount, or work that was left
// behind because it hangs.
func (d *Driver) unwind(ctx context.Context, volumeID, devNum string, cause error) error {
	if errors.Is(cause, volume.ErrBusy) {
		return cause
	}
	mounts, err := d.Volumes.MountsOf(devNum)
	if err != nil || len(mounts) > 0 {
		return cause
	}
	// The call's own context may be what failed.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unwindTimeout)
	defer cancel()
	if err := d.Paths.Release(ctx, volumeID, devNum); err != nil {
		return fmt.Errorf("%w (disconnecting it failed too: %s)", cause, err.Error())
	}
	return cause
}
