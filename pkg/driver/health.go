package driver

import (
	"context"
	"fmt"

	"github.com/container-storage-interface/spec/lib/go/csi"

	"github.com/braid-csi/braid/pkg/health"
)

// NodeGetVolumeHealth tells what is wrong with a volume as this node sees it.
// It answers from memory and takes no lock.
//
// Before the first scan the answer is UNAVAILABLE, which leaves a condition as
// it was: an empty list would say that the volume is well. A volume that is
// not staged here gets an empty list all the same: CSI lets the CO ask for
// volumes that it only tried to stage, the list holds the adverse conditions
// known to the plugin, and of such a volume none is.
func (d *Driver) NodeGetVolumeHealth(_ context.Context, req *csi.NodeGetVolumeHealthRequest) (*csi.NodeGetVolumeHealthResponse, error) {
	var p problems
	id := p.volumeID(req.GetVolumeId())
	if err := p.err(); err != nil {
		return nil, err
	}
	if !d.Health.Ready() {
		return nil, fmt.Errorf("%w: no scan of the paths has finished since the start", errNotReady)
	}
	found, _ := d.Health.Findings(id)
	return &csi.NodeGetVolumeHealthResponse{VolumeHealth: &csi.VolumeHealth{
		VolumeId:       id,
		HealthStatuses: volumeEntries(found),
	}}, nil
}

// NodeGetStorageHealth tells what the volumes' health means for the node.
func (d *Driver) NodeGetStorageHealth(context.Context, *csi.NodeGetStorageHealthRequest) (*csi.NodeGetStorageHealthResponse, error) {
	if !d.Health.Ready() {
		return nil, fmt.Errorf("%w: no scan of the paths has finished since the start", errNotReady)
	}
	return &csi.NodeGetStorageHealthResponse{BackendHealth: backendEntries(d.Health.NodeFindings())}, nil
}

// volumeEntries returns findings as CSI has them for a volume. The statuses
// are mapped before the guard sees the findings, so that two cannot become
// equal after it.
func volumeEntries(found []health.Finding) []*csi.VolumeHealth_VolumeHealthEntry {
	var entries []*csi.VolumeHealth_VolumeHealthEntry
	for _, f := range guarded(found, health.Inaccessible, health.Degraded) {
		e := &csi.VolumeHealth_VolumeHealthEntry{Status: csi.VolumeHealthErrorType_DEGRADED, Reason: string(f.Reason), Message: f.Message}
		if f.Status == health.Inaccessible {
			e.Status = csi.VolumeHealthErrorType_INACCESSIBLE
		}
		entries = append(entries, e)
	}
	return entries
}

// backendEntries returns findings as CSI has them for a node's storage.
func backendEntries(found []health.Finding) []*csi.NodeGetStorageHealthResponse_StorageBackendHealth {
	var entries []*csi.NodeGetStorageHealthResponse_StorageBackendHealth
	for _, f := range guarded(found, health.StorageUnreachable, health.StorageDegraded) {
		e := &csi.NodeGetStorageHealthResponse_StorageBackendHealth{Status: csi.StorageHealthErrorType_STORAGE_DEGRADED, Reason: string(f.Reason), Message: f.Message}
		if f.Status == health.StorageUnreachable {
			e.Status = csi.StorageHealthErrorType_STORAGE_UNREACHABLE
		}
		entries = append(entries, e)
	}
	return entries
}

// guarded returns findings of two statuses only, as every consumer can take
// them. A status that is not known is the milder one: something is wrong.
func guarded(found []health.Finding, worst, other health.Status) []health.Finding {
	mapped := make([]health.Finding, len(found))
	for i, f := range found {
		if f.Status != worst {
			f.Status = other
		}
		mapped[i] = f
	}
	return health.Guard(mapped)
}
