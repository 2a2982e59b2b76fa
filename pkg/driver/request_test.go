package driver

import (
	"strings"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
)

// Bad input is refused with the field's name, and nothing is connected,
// mounted, formatted, created or left behind.
func TestBadRequests(t *testing.T) {
	const id, staging, target, capability = "volume_id", "staging_target_path", "target_path", "volume_capability"
	long := strings.Repeat("x", 5000)
	mode := func(m csi.VolumeCapability_AccessMode_Mode) *csi.VolumeCapability { return mountCapability("", m) }
	type stage = csi.NodeStageVolumeRequest
	type publish = csi.NodePublishVolumeRequest
	tests := map[string]struct {
		stage   func(*stage)
		publish func(*publish)
		field   string
	}{
		"no volume ID":          {func(q *stage) { q.VolumeId = "" }, func(q *publish) { q.VolumeId = "" }, id},
		"long volume ID":        {func(q *stage) { q.VolumeId = long[:129] }, func(q *publish) { q.VolumeId = long[:129] }, id},
		"newline in volume ID":  {func(q *stage) { q.VolumeId = "a\nb" }, func(q *publish) { q.VolumeId = "a\nb" }, id},
		"no staging path":       {func(q *stage) { q.StagingTargetPath = "" }, nil, staging},
		"relative staging path": {func(q *stage) { q.StagingTargetPath = "a/b" }, func(q *publish) { q.StagingTargetPath = "a/b" }, staging},
		"staging path leads up": {func(q *stage) { q.StagingTargetPath += "/../x" }, func(q *publish) { q.StagingTargetPath += "/../x" }, staging},
		"root staging path":     {func(q *stage) { q.StagingTargetPath = "//" }, func(q *publish) { q.StagingTargetPath = "/." }, staging},
		"long staging path":     {func(q *stage) { q.StagingTargetPath = "/" + long }, func(q *publish) { q.StagingTargetPath = "/" + long }, staging},
		"NUL in staging path":   {func(q *stage) { q.StagingTargetPath += "\x00" }, func(q *publish) { q.StagingTargetPath += "\x00" }, staging},
		"no target path":        {nil, func(q *publish) { q.TargetPath = "" }, target},
		"relative target path":  {nil, func(q *publish) { q.TargetPath = "a" }, target},
		"target path leads up":  {nil, func(q *publish) { q.TargetPath += "/../../etc" }, target},
		"no capability":         {func(q *stage) { q.VolumeCapability = nil }, func(q *publish) { q.VolumeCapability = nil }, capability},
		"empty capability":      {func(q *stage) { q.VolumeCapability = &csi.VolumeCapability{} }, func(q *publish) { q.VolumeCapability = &csi.VolumeCapability{} }, capability},
		"no access mode": {func(q *stage) { q.VolumeCapability.AccessMode = nil }, func(q *publish) { q.VolumeCapability.AccessMode = nil },
			capability + ".access_mode: UNKNOWN"},
		"single writer of many nodes": {func(q *stage) { q.VolumeCapability = mode(csi.VolumeCapability_AccessMode_MULTI_NODE_SINGLE_WRITER) },
			func(q *publish) { q.VolumeCapability = mode(csi.VolumeCapability_AccessMode_MULTI_NODE_SINGLE_WRITER) }, capability + ".access_mode"},
		"shared file system": {func(q *stage) { q.VolumeCapability = mode(shared) }, func(q *publish) { q.VolumeCapability = mode(shared) },
			capability + ".access_mode"},
		"file system": {func(q *stage) { q.VolumeCapability = mountCapability("btrfs", writer) },
			func(q *publish) { q.VolumeCapability = mountCapability("ext3", writer) }, capability + ".mount.fs_type"},
		"two mount flags in one": {func(q *stage) { q.VolumeCapability = mountCapability("", writer, "noatime,bind") },
			func(q *publish) { q.VolumeCapability = mountCapability("", writer, "noatime,bind") }, capability + ".mount.mount_flags"},
		"mount flag that binds": {func(q *stage) { q.VolumeCapability = mountCapability("", writer, "bind") }, nil, capability + ".mount.mount_flags"},
		"mount flag that moves": {func(q *stage) { q.VolumeCapability = mountCapability("", writer, "noatime", "move") }, nil, capability + ".mount.mount_flags"},
		"reader that writes":    {func(q *stage) { q.VolumeCapability = mountCapability("", reader, "rw") }, nil, capability + ".mount.mount_flags"},
		"mount group": {func(q *stage) { q.VolumeCapability.GetMount().VolumeMountGroup = "1000" }, nil,
			capability + ".mount.volume_mount_group"},
		"no volume context": {func(q *stage) { q.VolumeContext = nil }, nil, `volume_context["subsystemNQN"]`},
		"bad address":       {func(q *stage) { q.VolumeContext["addresses"] = "storage.example:4420" }, nil, `volume_context["addresses"]`},
		"bad origin": {func(q *stage) { q.PublishContext = map[string]string{"claimName": "a\nb", "claimUID": long} }, nil,
			`publish_context["claimName"]: "a\nb" cannot be a name; publish_context["claimUID"]: has 5000 bytes`},
		"unknown key": {func(q *stage) { q.VolumeContext["minpaths"] = "2" }, nil, `volume_context["minpaths"]`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			if tt.stage != nil {
				req := r.stageRequest()
				tt.stage(req)
				_, err := r.NodeStageVolume(t.Context(), req)
				wantCode(t, "NodeStageVolume", err, codes.InvalidArgument, tt.field)
			}
			if tt.publish != nil {
				req := r.publishRequest()
				tt.publish(req)
				_, err := r.NodePublishVolume(t.Context(), req)
				wantCode(t, "NodePublishVolume", err, codes.InvalidArgument, tt.field)
			}
			if calls, _ := r.paths.did(); len(calls)+len(r.node.Calls()) > 0 {
				t.Errorf("did %q and %q", calls, r.node.Calls())
			}
			r.wantNothingLeft(t)
		})
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	r := newRig(t)
	req := r.stageRequest()
	req.VolumeId, req.StagingTargetPath = "", "x"
	req.VolumeCapability = mountCapability("btrfs", writer, "bind")
	req.VolumeContext = map[string]string{"subsystemNQN": "x", "junk": "y"}
	_, err := r.NodeStageVolume(t.Context(), req)
	wantCode(t, "NodeStageVolume", err, codes.InvalidArgument, "volume_id", "staging_target_path", "fs_type", "mount_flags",
		`["subsystemNQN"]`, `["addresses"]`, `["junk"]`, "namespaceUUID")
}

// A volume ID is opaque, and may look like anything.
func TestOddVolumeIDs(t *testing.T) {
	for _, id := range []string{"../../etc/passwd", "nqn.2014-08.org.example:a/b#1", "ä ö", strings.Repeat("x", 128)} {
		r := newRig(t)
		req := r.stageRequest()
		req.VolumeId = id
		_, err := r.NodeStageVolume(t.Context(), req)
		wantCode(t, id, err, codes.OK)
	}
}
