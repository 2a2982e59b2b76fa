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
	s.volume.ID = id
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
	if err := d.stageable(ctx, want); err != nil {
		return err
	}
	dev, err := d.Paths.Ensure(ctx, want.volume)
	if err != nil {
		return err
	}
	node := volume.Device{Path: dev.Path, DevNum: dev.DevNum}
	if want.use.raw {
		err = d.Volumes.StageRaw(ctx, node, want.path)
	} else {
		err = d.Volumes.Mount(ctx, node, want.path, want.use.fileSystem())
	}
	if err != nil {
		return d.unwind(ctx, want.volume.ID, dev.DevNum, err)
	}
	return nil
}

// stageable finds what stands in the way at the staging path before anything
// is connected.
func (d *Driver) stageable(ctx context.Context, want staging) error {
	have, ok, err := d.Volumes.Staged(want.path)
	switch {
	case err != nil:
		return err
	case ok:
		return d.restageable(ctx, want, have)
	}
	// Only now: what is mounted there might not answer.
	info, err := os.Lstat(want.path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w: staging_target_path %s does not exist", errPrecondition, want.path)
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%w: staging_target_path %s is not a directory", errPrecondition, want.path)
	}
	return nil
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
