package driver

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"

	"github.com/braid-csi/braid/pkg/health"
)

// A volume's whole life over real gRPC on a unix socket, each call twice, for
// every one of them is idempotent.
func TestLifeOfAVolume(t *testing.T) {
	for name, capability := range map[string]*csi.VolumeCapability{
		"ext4":      mountCapability("", multiWriter),
		"xfs":       mountCapability("xfs", writer, "noatime"),
		"raw block": blockCapability(shared),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			ctx := t.Context()
			raw := capability.GetBlock() != nil
			var size int64 = 20 * gib
			steps := []struct {
				name string
				call func() (any, error)
			}{
				{"stage", func() (any, error) {
					req := r.stageRequest()
					req.VolumeCapability = capability
					return r.NodeStageVolume(ctx, req)
				}},
				{"publish", func() (any, error) {
					req := r.publishRequest()
					req.VolumeCapability = capability
					return r.NodePublishVolume(ctx, req)
				}},
				{"stats", func() (any, error) {
					res, err := r.NodeGetVolumeStats(ctx, &csi.NodeGetVolumeStatsRequest{VolumeId: "vol-1", VolumePath: r.target, StagingTargetPath: r.staging})
					if err == nil && (len(res.GetUsage()) == 0 || res.GetUsage()[0].GetTotal() == 0 || raw != (len(res.GetUsage()) == 1)) {
						t.Errorf("usage: %v", res.GetUsage())
					}
					return res, err
				}},
				{"expand", func() (any, error) {
					r.paths.grow("vol-1", size)
					res, err := r.NodeExpandVolume(ctx, &csi.NodeExpandVolumeRequest{VolumeId: "vol-1", VolumePath: r.target, StagingTargetPath: r.staging,
						CapacityRange: &csi.CapacityRange{RequiredBytes: size}, VolumeCapability: capability})
					if err == nil && res.GetCapacityBytes() != size {
						t.Errorf("capacity: %d, want %d", res.GetCapacityBytes(), size)
					}
					return res, err
				}},
				{"health", func() (any, error) {
					r.health.volumes = map[string][]health.Finding{"vol-1": {{Status: health.Degraded, Reason: health.PathDown, Message: "m"}}}
					res, err := r.NodeGetVolumeHealth(ctx, &csi.NodeGetVolumeHealthRequest{VolumeId: "vol-1"})
					if got := res.GetVolumeHealth().GetHealthStatuses(); err == nil && (len(got) != 1 || got[0].GetReason() != "PathDown") {
						t.Errorf("health: %v", got)
					}
					return res, err
				}},
				{"unpublish", func() (any, error) { return r.NodeUnpublishVolume(ctx, r.unpublishRequest()) }},
				{"unstage", func() (any, error) { return r.NodeUnstageVolume(ctx, r.unstageRequest()) }},
			}
			for _, step := range steps {
				for range 2 {
					if _, err := step.call(); err != nil {
						t.Fatalf("%s: %v", step.name, err)
					}
				}
			}
			r.wantNothingLeft(t)
			if formatted := slices.ContainsFunc(r.node.Calls(), func(c string) bool { return strings.HasPrefix(c, "mkfs") }); formatted == raw {
				t.Errorf("formatted: %t, raw: %t", formatted, raw)
			}
			if calls, _ := r.paths.did(); calls[len(calls)-2] != "Release vol-1 259:0" || calls[len(calls)-1] != "Release vol-1" {
				t.Errorf("calls %q, want two releases at the end, the first with the device", calls)
			}
		})
	}
}

// wantNothingLeft fails the test if anything is connected, mounted or there.
func (r *rig) wantNothingLeft(t *testing.T) {
	t.Helper()
	if calls, connected := r.paths.did(); connected > 0 {
		t.Errorf("%d volumes are still connected after %q", connected, calls)
	}
	if mounts := r.node.Mounts(); len(mounts) > 0 {
		t.Errorf("still mounted: %q", mounts)
	}
	if left, err := os.ReadDir(r.staging); err != nil || len(left) > 0 {
		t.Errorf("left in the staging directory: %v, %v", left, err)
	}
	if _, err := os.Lstat(r.target); err == nil {
		t.Error("the target is left")
	}
}

func TestIdentity(t *testing.T) {
	r := newRig(t)
	info, err := r.GetPluginInfo(t.Context(), &csi.GetPluginInfoRequest{})
	if err != nil || info.GetName() != Name || info.GetVendorVersion() != "v0.0.0-test" {
		t.Errorf("GetPluginInfo: %v, %v", info, err)
	}
	node, err := r.NodeGetInfo(t.Context(), &csi.NodeGetInfoRequest{})
	if err != nil || node.GetNodeId() != "node-1" || node.GetMaxVolumesPerNode() != 0 || node.GetAccessibleTopology() != nil {
		t.Errorf("NodeGetInfo: %v, %v", node, err)
	}
	if probe, err := r.Probe(t.Context(), &csi.ProbeRequest{}); err != nil || !probe.GetReady().GetValue() {
		t.Errorf("Probe: %v, %v", probe, err)
	}
}

func TestNew(t *testing.T) {
	good := newRig(t).driver.Config
	for name, spoil := range map[string]func(*Config){
		"no node ID":       func(c *Config) { c.NodeID = "" },
		"long node ID":     func(c *Config) { c.NodeID = strings.Repeat("n", 257) },
		"no version":       func(c *Config) { c.Version = "" },
		"nothing to serve": func(c *Config) { c.Paths = nil },
	} {
		c := good
		spoil(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s: New succeeded", name)
		}
	}
}
