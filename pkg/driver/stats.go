package driver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"

	"github.com/braid-csi/braid/pkg/volume"
)

// statsTimeout bounds how long a hung mount keeps kubelet waiting, which asks
// for one volume after another.
const statsTimeout = 2 * time.Second

// NodeGetVolumeStats tells how full a volume is. It takes no lock: it changes
// nothing and must not be turned away by a call that hangs.
func (d *Driver) NodeGetVolumeStats(ctx context.Context, req *csi.NodeGetVolumeStatsRequest) (*csi.NodeGetVolumeStatsResponse, error) {
	var p problems
	p.volumeID(req.GetVolumeId())
	path := p.location("volume_path", req.GetVolumePath())
	var staging string
	if req.GetStagingTargetPath() != "" {
		staging = p.path("staging_target_path", req.GetStagingTargetPath())
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	mounted, err := d.locate(path, staging)
	if err != nil {
		return nil, err
	}
	res, err := d.usage(ctx, mounted)
	if d.LegacyVolumeCondition {
		return d.withCondition(req.GetVolumeId(), res, err)
	}
	return res, err
}

// usage tells how full what is mounted is.
func (d *Driver) usage(ctx context.Context, mounted volume.Mount) (*csi.NodeGetVolumeStatsResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, statsTimeout)
	defer cancel()
	stats, err := d.Volumes.Stats(ctx, mounted)
	if err != nil {
		if mounted.Raw() && errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: device %s is gone", errNotFound, mounted.DevNum)
		}
		return nil, err
	}
	return statsResponse(stats), nil
}

// statsResponse has bytes always, for kubelet takes an answer without usage
// for an error, and inodes where there are any.
func statsResponse(s volume.Stats) *csi.NodeGetVolumeStatsResponse {
	usage := []*csi.VolumeUsage{volumeUsage(csi.VolumeUsage_BYTES, s.Bytes)}
	if s.Inodes.Total > 0 {
		usage = append(usage, volumeUsage(csi.VolumeUsage_INODES, s.Inodes))
	}
	return &csi.NodeGetVolumeStatsResponse{Usage: usage}
}

func volumeUsage(unit csi.VolumeUsage_Unit, u volume.Usage) *csi.VolumeUsage {
	return &csi.VolumeUsage{Unit: unit, Total: u.Total, Used: u.Used, Available: u.Available}
}
