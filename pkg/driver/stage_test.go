package driver

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"

	"github.com/braid-csi/braid/pkg/multipath"
)

func TestStageFailureDisconnects(t *testing.T) {
	tests := map[string]struct {
		content    string
		capability *csi.VolumeCapability
		fail       string // a call of the node's
		code       codes.Code
		message    []string
	}{
		"foreign content":   {"LVM2_member", mountCapability("ext4", writer), "", codes.FailedPrecondition, []string{"LVM2_member", "ext4"}},
		"other file system": {"ext4", mountCapability("xfs", writer), "", codes.FailedPrecondition, []string{"ext4", "xfs"}},
		"empty, read-only":  {"", mountCapability("", reader), "", codes.FailedPrecondition, []string{"read-only"}},
		"blkid fails":       {"", mountCapability("", writer), "blkid", codes.Internal, nil},
		"mkfs fails":        {"", mountCapability("", writer), "mkfs.ext4", codes.Internal, nil},
		"mount fails":       {"ext4", mountCapability("", writer), "mount", codes.Internal, nil},
		"bind fails":        {"", blockCapability(writer), "mount", codes.Internal, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.paths.content = tt.content
			r.node.Fail = func(call string, _ ...string) error {
				if call == tt.fail {
					return errTest
				}
				return nil
			}
			req := r.stageRequest()
			req.VolumeCapability = tt.capability
			_, err := r.NodeStageVolume(t.Context(), req)
			wantCode(t, "NodeStageVolume", err, tt.code, tt.message...)
			r.wantNothingLeft(t)
			if calls, _ := r.paths.did(); calls[len(calls)-1] != "Release vol-1 259:0" {
				t.Errorf("calls %q, want a release at the end", calls)
			}
		})
	}
}

// A volume is mounted only once the cluster knows about it, connected and by
// its origin. If it cannot be told, nothing is left behind; but what is mounted
// already stays, and needs no second telling.
func TestReportedBeforeMounted(t *testing.T) {
	r := newRig(t)
	away := errors.New("the API server is away")
	var err error
	told := 0
	r.driver.Reported = func(_ context.Context, volumeID string) error {
		told++
		if _, connected := r.paths.did(); volumeID != "vol-1" || connected != 1 || len(r.node.Mounts()) > 0 {
			t.Errorf("volume %s, %d connected, mounted at %q when it was reported", volumeID, connected, r.node.Mounts())
		}
		return err
	}
	req := r.stageRequest()
	req.PublishContext = map[string]string{"persistentVolumeName": "pv-1", "later": "x"}

	err = away
	_, got := r.NodeStageVolume(t.Context(), req)
	wantCode(t, "NodeStageVolume, not reported", got, codes.Unavailable, away.Error())
	r.wantNothingLeft(t)

	err = nil
	_, got = r.NodeStageVolume(t.Context(), req)
	wantCode(t, "NodeStageVolume, reported", got, codes.OK)
	if o := r.paths.connected["vol-1"].Origin; o.PersistentVolume != "pv-1" {
		t.Errorf("origin %+v, want what publish_context says", o)
	}

	err = away
	_, got = r.NodeStageVolume(t.Context(), req)
	wantCode(t, "NodeStageVolume again", got, codes.OK)
	if told != 2 {
		t.Errorf("told %d times, want once before each of two attempts to mount", told)
	}
}

func TestStageErrorsOfThePaths(t *testing.T) {
	for err, want := range map[error]codes.Code{
		multipath.ErrNoPath:      codes.Unavailable,
		multipath.ErrNoNamespace: codes.NotFound,
		multipath.ErrConflict:    codes.AlreadyExists,
		multipath.ErrUnsupported: codes.FailedPrecondition,
		errTest:                  codes.Internal,
	} {
		r := newRig(t)
		r.paths.fail = func(string) error { return err }
		_, got := r.NodeStageVolume(t.Context(), r.stageRequest())
		wantCode(t, "NodeStageVolume", got, want, err.Error())
		if calls, _ := r.paths.did(); len(calls) != 1 {
			t.Errorf("%v: calls %q, want Ensure only: what it connected is its own matter", err, calls)
		}
	}
}

// A volume that is staged stays staged, whatever a second call asks for.
func TestStageTwice(t *testing.T) {
	r := newRig(t)
	r.stage(t, mountCapability("", writer))
	tests := map[string]struct {
		change func(*csi.NodeStageVolumeRequest)
		code   codes.Code
	}{
		"same":          {func(*csi.NodeStageVolumeRequest) {}, codes.OK},
		"other type":    {func(q *csi.NodeStageVolumeRequest) { q.VolumeCapability = mountCapability("xfs", writer) }, codes.AlreadyExists},
		"raw":           {func(q *csi.NodeStageVolumeRequest) { q.VolumeCapability = blockCapability(writer) }, codes.AlreadyExists},
		"read-only":     {func(q *csi.NodeStageVolumeRequest) { q.VolumeCapability = mountCapability("", reader) }, codes.AlreadyExists},
		"other paths":   {func(q *csi.NodeStageVolumeRequest) { q.VolumeContext["addresses"] = "192.0.2.7" }, codes.AlreadyExists},
		"other volume":  {func(q *csi.NodeStageVolumeRequest) { q.VolumeId = "vol-2" }, codes.FailedPrecondition},
		"missing dir":   {func(q *csi.NodeStageVolumeRequest) { q.StagingTargetPath += "x" }, codes.FailedPrecondition},
		"not directory": {func(q *csi.NodeStageVolumeRequest) { q.StagingTargetPath = r.address }, codes.FailedPrecondition},
	}
	for name, tt := range tests {
		req := r.stageRequest()
		tt.change(req)
		_, err := r.NodeStageVolume(t.Context(), req)
		wantCode(t, name, err, tt.code)
		calls, connected := r.paths.did()
		if connected != 1 || slices.Contains(calls, "Ensure vol-2") {
			t.Errorf("%s: %d volumes are connected after %q, want the staged one only", name, connected, calls)
		}
		if mounts := r.node.Mounts(); len(mounts) != 1 || mounts[0] != r.staging {
			t.Errorf("%s: mounted at %q, want %s", name, mounts, r.staging)
		}
	}
}

func TestBusyVolume(t *testing.T) {
	r := newRig(t)
	unlock, err := r.driver.locks.lock("vol-1")
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	calls := map[string]func() error{
		"stage":     func() error { _, err := r.NodeStageVolume(ctx, r.stageRequest()); return err },
		"publish":   func() error { _, err := r.NodePublishVolume(ctx, r.publishRequest()); return err },
		"unpublish": func() error { _, err := r.NodeUnpublishVolume(ctx, r.unpublishRequest()); return err },
		"unstage":   func() error { _, err := r.NodeUnstageVolume(ctx, r.unstageRequest()); return err },
		"expand": func() error {
			_, err := r.NodeExpandVolume(ctx, &csi.NodeExpandVolumeRequest{VolumeId: "vol-1", VolumePath: r.target})
			return err
		},
	}
	for name, call := range calls {
		wantCode(t, name, call(), codes.Aborted, "vol-1")
	}
	// Another volume is not held up.
	req := r.stageRequest()
	req.VolumeId = "vol-2"
	if _, err := r.NodeStageVolume(ctx, req); err != nil {
		t.Errorf("another volume: %v", err)
	}
	unlock()
	wantCode(t, "unlocked", calls["unpublish"](), codes.OK)
}

// A device that hangs while it is mounted: the call ends in time, nothing is
// disconnected under the mount, and later calls find it busy.
func TestStageOfHangingDevice(t *testing.T) {
	r := newRig(t)
	r.paths.content = "ext4"
	hang := make(chan struct{})
	r.node.Fail = func(call string, _ ...string) error {
		if call == "fsck" {
			<-hang
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := r.NodeStageVolume(ctx, r.stageRequest())
	wantCode(t, "NodeStageVolume", err, codes.DeadlineExceeded)
	// The client's deadline may end the call before the server's handler saw it.
	deadline := time.Now().Add(5 * time.Second)
	for {
		_, err = r.NodeUnstageVolume(t.Context(), r.unstageRequest())
		if err == nil || !strings.Contains(err.Error(), errBusy.Error()) || time.Now().After(deadline) {
			break
		}
	}
	wantCode(t, "NodeUnstageVolume meanwhile", err, codes.Aborted)
	if calls, connected := r.paths.did(); connected != 1 {
		t.Errorf("disconnected under a running mount: %q", calls)
	}
	close(hang)
	for time.Now().Before(deadline) {
		if _, err = r.NodeUnstageVolume(t.Context(), r.unstageRequest()); err == nil {
			break
		}
	}
	if err != nil {
		t.Errorf("NodeUnstageVolume afterwards: %v", err)
	}
	r.wantNothingLeft(t)
}

func TestUnstageReportsFailedRelease(t *testing.T) {
	r := newRig(t)
	r.stage(t, mountCapability("", writer))
	r.paths.fail = func(string) error { return errTest }
	_, err := r.NodeUnstageVolume(t.Context(), r.unstageRequest())
	wantCode(t, "NodeUnstageVolume", err, codes.Internal, errTest.Error())
	r.paths.fail = nil
	_, err = r.NodeUnstageVolume(t.Context(), r.unstageRequest())
	wantCode(t, "NodeUnstageVolume again", err, codes.OK)
	r.wantNothingLeft(t)
}

// A restart forgets what is in memory; the mount table says what to release.
func TestUnstageWithoutRecord(t *testing.T) {
	for name, capability := range map[string]*csi.VolumeCapability{"mount": mountCapability("", writer), "raw": blockCapability(writer)} {
		r := newRig(t)
		r.stage(t, capability)
		clear(r.paths.connected)
		_, err := r.NodeUnstageVolume(t.Context(), r.unstageRequest())
		wantCode(t, name, err, codes.OK)
		if calls, _ := r.paths.did(); calls[len(calls)-1] != "Release vol-1 259:0" {
			t.Errorf("%s: calls %q, want a release of the device that was found", name, calls)
		}
	}
}

func TestUnstageWhilePublished(t *testing.T) {
	r := newRig(t)
	r.stage(t, mountCapability("", writer))
	if _, err := r.NodePublishVolume(t.Context(), r.publishRequest()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err := r.NodeUnstageVolume(t.Context(), r.unstageRequest())
		wantCode(t, "NodeUnstageVolume", err, codes.FailedPrecondition, r.target)
	}
	if _, connected := r.paths.did(); connected != 1 || len(r.node.Mounts()) != 2 {
		t.Errorf("%d connected, mounted at %q", connected, r.node.Mounts())
	}
}

func TestUnstageNeverStaged(t *testing.T) {
	r := newRig(t)
	for _, path := range []string{r.staging, filepath.Join(r.staging, "never", "was")} {
		req := r.unstageRequest()
		req.StagingTargetPath = path
		_, err := r.NodeUnstageVolume(t.Context(), req)
		wantCode(t, path, err, codes.OK)
	}
	if _, err := os.Stat(r.staging); err != nil {
		t.Errorf("the staging directory is kubelet's and gone: %v", err)
	}
}
