package driver

import (
	"fmt"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
)

func TestPublishNeedsStaging(t *testing.T) {
	r := newRig(t)
	_, err := r.NodePublishVolume(t.Context(), r.publishRequest())
	wantCode(t, "not staged", err, codes.FailedPrecondition, "staging_target_path", r.staging)
	r.wantNothingLeft(t)

	r.stage(t, mountCapability("ext4", writer))
	for name, capability := range map[string]*csi.VolumeCapability{
		"raw": blockCapability(writer), "xfs": mountCapability("xfs", writer),
	} {
		req := r.publishRequest()
		req.VolumeCapability = capability
		_, err := r.NodePublishVolume(t.Context(), req)
		wantCode(t, name, err, codes.FailedPrecondition, "volume_capability", "ext4")
	}
}

// The table of NodePublishVolume for a second call (CSI 1.13).
func TestPublishTwice(t *testing.T) {
	const (
		single = csi.VolumeCapability_AccessMode_SINGLE_NODE_SINGLE_WRITER
		solo   = csi.VolumeCapability_AccessMode_SINGLE_NODE_READER_ONLY
	)
	for _, tt := range []struct {
		mode        csi.VolumeCapability_AccessMode_Mode
		raw         bool
		otherTarget codes.Code
	}{
		{mode: writer, otherTarget: codes.FailedPrecondition},
		{mode: single, otherTarget: codes.FailedPrecondition},
		{mode: solo, otherTarget: codes.FailedPrecondition},
		{mode: multiWriter, otherTarget: codes.OK},
		{mode: reader, otherTarget: codes.OK},
		{mode: writer, raw: true, otherTarget: codes.FailedPrecondition},
		{mode: single, raw: true, otherTarget: codes.FailedPrecondition},
		{mode: multiWriter, raw: true, otherTarget: codes.OK},
		{mode: shared, raw: true, otherTarget: codes.OK},
	} {
		t.Run(fmt.Sprintf("%s, raw %t", tt.mode, tt.raw), func(t *testing.T) {
			r := newRig(t)
			r.paths.content = "ext4"
			capability := mountCapability("", tt.mode)
			if tt.raw {
				capability = blockCapability(tt.mode)
			}
			r.stage(t, capability)
			publish := func(target string, readOnly bool) error {
				req := r.publishRequest()
				req.VolumeCapability, req.TargetPath, req.Readonly = capability, target, readOnly
				_, err := r.NodePublishVolume(t.Context(), req)
				return err
			}
			wantCode(t, "first", publish(r.target, false), codes.OK)
			wantCode(t, "same target, same arguments", publish(r.target, false), codes.OK)
			if !accessModes[tt.mode].readOnly {
				wantCode(t, "same target, read-only", publish(r.target, true), codes.AlreadyExists)
			}
			wantCode(t, "other target", publish(r.target+"2", false), tt.otherTarget)
			wantCode(t, "other target, read-only", publish(r.target+"3", true), tt.otherTarget)
		})
	}
}

func TestPublishReadOnly(t *testing.T) {
	for name, tt := range map[string]struct {
		mode     csi.VolumeCapability_AccessMode_Mode
		readOnly bool
		want     bool
	}{
		"writer":           {writer, false, false},
		"writer, readonly": {writer, true, true},
		"reader":           {reader, false, true},
		"reader, readonly": {reader, true, true},
	} {
		r := newRig(t)
		r.paths.content = "ext4"
		r.stage(t, mountCapability("", tt.mode))
		req := r.publishRequest()
		req.VolumeCapability, req.Readonly = mountCapability("", tt.mode), tt.readOnly
		if _, err := r.NodePublishVolume(t.Context(), req); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		m, ok, err := r.driver.Volumes.Mounted(r.target)
		if err != nil || !ok || m.ReadOnly != tt.want {
			t.Errorf("%s: %+v, %t, %v; want read-only %t", name, m, ok, err, tt.want)
		}
	}
}

func TestExpand(t *testing.T) {
	r := newRig(t)
	r.stage(t, mountCapability("", multiWriter))
	req := func(required, limit int64) *csi.NodeExpandVolumeRequest {
		return &csi.NodeExpandVolumeRequest{VolumeId: "vol-1", VolumePath: r.staging,
			CapacityRange: &csi.CapacityRange{RequiredBytes: required, LimitBytes: limit}}
	}
	for name, tt := range map[string]struct {
		req   *csi.NodeExpandVolumeRequest
		code  codes.Code
		parts []string
	}{
		"nothing asked":   {&csi.NodeExpandVolumeRequest{VolumeId: "vol-1", VolumePath: r.staging}, codes.OK, nil},
		"large enough":    {req(10*gib, 0), codes.OK, nil},
		"not yet":         {req(11*gib, 0), codes.Internal, []string{"10737418240", "11811160064"}},
		"beyond limit":    {req(0, 5*gib), codes.OutOfRange, []string{"10737418240", "5368709120"}},
		"not mounted":     {&csi.NodeExpandVolumeRequest{VolumeId: "vol-1", VolumePath: r.target}, codes.NotFound, []string{"volume_path"}},
		"relative path":   {&csi.NodeExpandVolumeRequest{VolumeId: "vol-1", VolumePath: "some/path"}, codes.NotFound, []string{"volume_path"}},
		"unknown volume":  {&csi.NodeExpandVolumeRequest{VolumeId: "vol-9", VolumePath: r.staging}, codes.FailedPrecondition, nil},
		"negative":        {req(-1, 0), codes.InvalidArgument, []string{"capacity_range"}},
		"limit too small": {req(2, 1), codes.InvalidArgument, []string{"capacity_range"}},
	} {
		_, err := r.NodeExpandVolume(t.Context(), tt.req)
		wantCode(t, name, err, tt.code, tt.parts...)
	}

	// A published mount may be read-only; the staged one grows.
	pub := r.publishRequest()
	pub.VolumeCapability, pub.Readonly = mountCapability("", multiWriter), true
	if _, err := r.NodePublishVolume(t.Context(), pub); err != nil {
		t.Fatal(err)
	}
	_, err := r.NodeExpandVolume(t.Context(), &csi.NodeExpandVolumeRequest{VolumeId: "vol-1", VolumePath: r.target})
	wantCode(t, "read-only target alone", err, codes.FailedPrecondition)
	_, err = r.NodeExpandVolume(t.Context(), &csi.NodeExpandVolumeRequest{VolumeId: "vol-1", VolumePath: r.target, StagingTargetPath: r.staging})
	wantCode(t, "read-only target with staging path", err, codes.OK)

	// The device that came back after a total loss is not what is mounted.
	d := r.paths.devices["vol-1"]
	d.DevNum = "259:77"
	r.paths.devices["vol-1"] = d
	_, err = r.NodeExpandVolume(t.Context(), req(0, 0))
	wantCode(t, "another device", err, codes.FailedPrecondition, "259:77", "259:0")
}

func TestStats(t *testing.T) {
	r := newRig(t)
	r.stage(t, mountCapability("", writer))
	other := r.stageRequest()
	other.VolumeId, other.StagingTargetPath = "vol-2", t.TempDir()
	if _, err := r.NodeStageVolume(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		path, staging string
		code          codes.Code
	}{
		"staged":                {r.staging, "", codes.OK},
		"nothing mounted":       {r.target, "", codes.NotFound},
		"relative":              {"some/path", "", codes.NotFound},
		"no path":               {"", "", codes.InvalidArgument},
		"another volume's path": {r.staging, other.StagingTargetPath, codes.NotFound},
		"bad staging path":      {r.staging, "relative", codes.InvalidArgument},
	} {
		_, err := r.NodeGetVolumeStats(t.Context(), &csi.NodeGetVolumeStatsRequest{VolumeId: "vol-1", VolumePath: tt.path, StagingTargetPath: tt.staging})
		wantCode(t, name, err, tt.code)
	}
	r.node.Fail = func(call string, _ ...string) error {
		if call == "statfs" {
			return errTest
		}
		return nil
	}
	_, err := r.NodeGetVolumeStats(t.Context(), &csi.NodeGetVolumeStatsRequest{VolumeId: "vol-1", VolumePath: r.staging})
	wantCode(t, "statfs fails", err, codes.Internal)
}
