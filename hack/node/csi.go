package node

import (
	"context"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
)

// Client calls braid-node over CSI's socket. It outlives the process at the
// other end: its calls fail meanwhile.
type Client struct{ conn *grpc.ClientConn }

// dial returns a client, which connects when it is used. The socket appears
// some time after the process, so it is tried again soon.
func dial() (Client, error) {
	soon := backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1, MaxDelay: 20 * time.Millisecond}
	conn, err := grpc.NewClient("unix:"+endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: soon, MinConnectTimeout: time.Second}))
	return Client{conn}, err
}

func (c Client) node() csi.NodeClient { return csi.NewNodeClient(c.conn) }

// Ready calls Probe.
func (c Client) Ready(ctx context.Context) (bool, error) {
	res, err := csi.NewIdentityClient(c.conn).Probe(ctx, &csi.ProbeRequest{})
	return res.GetReady().GetValue(), err
}

// Stage calls NodeStageVolume.
func (c Client) Stage(ctx context.Context, v Volume) error {
	_, err := c.node().NodeStageVolume(ctx, &csi.NodeStageVolumeRequest{
		VolumeId: v.ID, VolumeContext: v.Context, StagingTargetPath: v.Staging, VolumeCapability: v.Capability(),
	})
	return err
}

// Publish calls NodePublishVolume.
func (c Client) Publish(ctx context.Context, v Volume) error {
	_, err := c.node().NodePublishVolume(ctx, &csi.NodePublishVolumeRequest{
		VolumeId: v.ID, VolumeContext: v.Context, StagingTargetPath: v.Staging, TargetPath: v.Target, VolumeCapability: v.Capability(),
	})
	return err
}

// Unpublish calls NodeUnpublishVolume.
func (c Client) Unpublish(ctx context.Context, v Volume) error {
	_, err := c.node().NodeUnpublishVolume(ctx, &csi.NodeUnpublishVolumeRequest{VolumeId: v.ID, TargetPath: v.Target})
	return err
}

// Unstage calls NodeUnstageVolume.
func (c Client) Unstage(ctx context.Context, v Volume) error {
	_, err := c.node().NodeUnstageVolume(ctx, &csi.NodeUnstageVolumeRequest{VolumeId: v.ID, StagingTargetPath: v.Staging})
	return err
}

// Stats calls NodeGetVolumeStats and returns the usage in bytes.
func (c Client) Stats(ctx context.Context, v Volume) (*csi.VolumeUsage, error) {
	res, err := c.node().NodeGetVolumeStats(ctx, &csi.NodeGetVolumeStatsRequest{
		VolumeId: v.ID, VolumePath: v.Target, StagingTargetPath: v.Staging,
	})
	for _, u := range res.GetUsage() {
		if u.GetUnit() == csi.VolumeUsage_BYTES {
			return u, err
		}
	}
	return nil, err
}

// Expand calls NodeExpandVolume and returns the size in bytes.
func (c Client) Expand(ctx context.Context, v Volume, required int64) (int64, error) {
	res, err := c.node().NodeExpandVolume(ctx, &csi.NodeExpandVolumeRequest{
		VolumeId: v.ID, VolumePath: v.Target, StagingTargetPath: v.Staging, VolumeCapability: v.Capability(),
		CapacityRange: &csi.CapacityRange{RequiredBytes: required},
	})
	return res.GetCapacityBytes(), err
}

// VolumeHealth calls NodeGetVolumeHealth and returns its findings.
func (c Client) VolumeHealth(ctx context.Context, v Volume) (Findings, error) {
	res, err := c.node().NodeGetVolumeHealth(ctx, &csi.NodeGetVolumeHealthRequest{
		VolumeId: v.ID, VolumePublishPath: v.Target, StagingTargetPath: v.Staging,
	})
	var found Findings
	for _, e := range res.GetVolumeHealth().GetHealthStatuses() {
		found = append(found, Finding{e.GetStatus().String(), e.GetReason(), e.GetMessage()})
	}
	return found, err
}

// StorageHealth calls NodeGetStorageHealth and returns its findings.
func (c Client) StorageHealth(ctx context.Context) (Findings, error) {
	res, err := c.node().NodeGetStorageHealth(ctx, &csi.NodeGetStorageHealthRequest{})
	var found Findings
	for _, e := range res.GetBackendHealth() {
		found = append(found, Finding{e.GetStatus().String(), e.GetReason(), e.GetMessage()})
	}
	return found, err
}
