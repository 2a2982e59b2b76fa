package driver

import (
	"context"
	"fmt"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// GetPluginInfo tells the driver's name and version.
func (d *Driver) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: Name, VendorVersion: d.Version}, nil
}

// GetPluginCapabilities tells that volumes may be expanded while they are in
// use, which the node does alone: whatever enlarged the namespace, no
// controller service of this driver did.
func (d *Driver) GetPluginCapabilities(context.Context, *csi.GetPluginCapabilitiesRequest) (*csi.GetPluginCapabilitiesResponse, error) {
	return &csi.GetPluginCapabilitiesResponse{Capabilities: []*csi.PluginCapability{{
		Type: &csi.PluginCapability_VolumeExpansion_{VolumeExpansion: &csi.PluginCapability_VolumeExpansion{
			Type: csi.PluginCapability_VolumeExpansion_ONLINE,
		}},
	}}}, nil
}

// Probe tells whether the node can serve volumes. That nothing is known of
// their health yet does not matter to it.
func (d *Driver) Probe(ctx context.Context, _ *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	if err := d.probe(ctx); err != nil {
		return nil, err
	}
	return &csi.ProbeResponse{Ready: wrapperspb.Bool(true)}, nil
}

// probe returns why the node cannot serve volumes.
func (d *Driver) probe(ctx context.Context) error {
	if d.Config.Probe == nil {
		return nil
	}
	if err := d.Config.Probe(ctx); err != nil {
		return fmt.Errorf("%w: %w", errPrecondition, err)
	}
	return nil
}
