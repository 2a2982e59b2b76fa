package driver

import (
	"context"
	"slices"

	"github.com/container-storage-interface/spec/lib/go/csi"
)

// nodeCapabilities are what the node service can do. With
// SINGLE_NODE_MULTI_WRITER kubelet says ReadWriteOnce so that two pods of a
// node may share a volume, as Kubernetes promises, and CSI's table still holds.
var nodeCapabilities = []csi.NodeServiceCapability_RPC_Type{
	csi.NodeServiceCapability_RPC_STAGE_UNSTAGE_VOLUME,
	csi.NodeServiceCapability_RPC_GET_VOLUME_STATS,
	csi.NodeServiceCapability_RPC_EXPAND_VOLUME,
	csi.NodeServiceCapability_RPC_SINGLE_NODE_MULTI_WRITER,
	csi.NodeServiceCapability_RPC_GET_VOLUME_HEALTH,
	csi.NodeServiceCapability_RPC_GET_STORAGE_HEALTH,
}

// NodeGetCapabilities tells what the node service can do.
func (d *Driver) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	capabilities := nodeCapabilities
	if d.LegacyVolumeCondition {
		capabilities = append(slices.Clip(capabilities), legacyVolumeCondition)
	}
	res := &csi.NodeGetCapabilitiesResponse{}
	for _, c := range capabilities {
		res.Capabilities = append(res.Capabilities, &csi.NodeServiceCapability{
			Type: &csi.NodeServiceCapability_Rpc{Rpc: &csi.NodeServiceCapability_RPC{Type: c}},
		})
	}
	return res, nil
}

// NodeGetInfo tells the node's name. There is no topology and no limit to the
// number of volumes: a volume is reachable wherever its addresses are.
func (d *Driver) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{NodeId: d.NodeID}, nil
}
