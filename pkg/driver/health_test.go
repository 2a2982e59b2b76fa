package driver

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"

	"github.com/braid-csi/braid/pkg/health"
)

func (r *rig) volumeHealth(t *testing.T, id string) (*csi.VolumeHealth, error) {
	t.Helper()
	res, err := r.NodeGetVolumeHealth(t.Context(), &csi.NodeGetVolumeHealthRequest{VolumeId: id})
	return res.GetVolumeHealth(), err
}

func TestHealthBeforeTheFirstScan(t *testing.T) {
	r := newRig(t)
	r.health.notReady = true
	_, err := r.volumeHealth(t, "vol-1")
	wantCode(t, "NodeGetVolumeHealth", err, codes.Unavailable)
	_, err = r.NodeGetStorageHealth(t.Context(), &csi.NodeGetStorageHealthRequest{})
	wantCode(t, "NodeGetStorageHealth", err, codes.Unavailable)
	_, err = r.volumeHealth(t, "")
	wantCode(t, "NodeGetVolumeHealth without volume", err, codes.InvalidArgument, "volume_id")
}

func TestHealthStatuses(t *testing.T) {
	r := newRig(t)
	r.health.volumes = map[string][]health.Finding{
		"bad": {
			{Status: health.Degraded, Reason: health.PathDown, Message: "one"},
			{Status: health.Inaccessible, Reason: health.NoUsablePath, Message: "all"},
		},
		"well": {},
	}
	r.health.node = []health.Finding{
		{Status: health.StorageDegraded, Reason: health.PathDown},
		{Status: health.StorageUnreachable, Reason: health.NoUsablePath},
	}
	bad, err := r.volumeHealth(t, "bad")
	if err != nil || bad.GetVolumeId() != "bad" {
		t.Fatalf("NodeGetVolumeHealth: %v, %v", bad, err)
	}
	if got, want := fmt.Sprint(bad.GetHealthStatuses()), `[status:INACCESSIBLE reason:"NoUsablePath" message:"all" status:DEGRADED reason:"PathDown" message:"one"]`; squeeze(got) != want {
		t.Errorf("findings\n%s, want\n%s", got, want)
	}
	for _, id := range []string{"well", "never staged"} {
		h, err := r.volumeHealth(t, id)
		if err != nil || h.GetVolumeId() != id || len(h.GetHealthStatuses()) > 0 {
			t.Errorf("%s: %v, %v, want an empty list", id, h, err)
		}
	}
	node, err := r.NodeGetStorageHealth(t.Context(), &csi.NodeGetStorageHealthRequest{})
	if got, want := fmt.Sprint(node.GetBackendHealth()), `[status:STORAGE_UNREACHABLE reason:"NoUsablePath" status:STORAGE_DEGRADED reason:"PathDown"]`; err != nil || squeeze(got) != want {
		t.Errorf("%v, node\n%s, want\n%s", err, got, want)
	}
}

// squeeze undoes protobuf's habit of printing one space or two.
func squeeze(s string) string { return strings.ReplaceAll(s, "  ", " ") }

// FuzzHealth: whatever the findings, what goes out is what Kubernetes takes;
// one violation would block the pod's whole status (kubernetes#142280).
func FuzzHealth(f *testing.F) {
	f.Add("PathDown", "message", "Degraded", uint8(40))
	f.Add("", "\x00\xff", "StorageDegraded", uint8(3))
	f.Add("Path down, again:", strings.Repeat("ä", 2000), "", uint8(1))
	reason := regexp.MustCompile(`^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$`)
	statuses := []health.Status{health.Degraded, health.Inaccessible, health.StorageDegraded, health.StorageUnreachable}
	f.Fuzz(func(t *testing.T, why, message, status string, n uint8) {
		var found []health.Finding
		for i := range n {
			s := health.Status(status)
			if i%2 == 0 {
				s = statuses[int(i/2)%len(statuses)]
			}
			found = append(found, health.Finding{Status: s, Reason: health.Reason(fmt.Sprint(why, i/8)), Message: message})
		}
		check := func(what string, status fmt.Stringer, why, message string, seen map[string]bool) {
			key := status.String() + why
			if seen[key] || len(why) > 256 || !reason.MatchString(why) || len(message) > 1024 || !utf8.ValidString(message) {
				t.Errorf("%s: %s %q %q, seen before: %t", what, status, why, message, seen[key])
			}
			seen[key] = true
		}
		volume, node := volumeEntries(found), backendEntries(found)
		if len(volume) > 16 || len(node) > 16 || len(found) > 0 && (len(volume) == 0 || len(node) == 0) {
			t.Errorf("%d findings gave %d and %d entries", len(found), len(volume), len(node))
		}
		seen := map[string]bool{}
		for _, e := range volume {
			check("volume", e.GetStatus(), e.GetReason(), e.GetMessage(), seen)
		}
		seen = map[string]bool{}
		for _, e := range node {
			check("node", e.GetStatus(), e.GetReason(), e.GetMessage(), seen)
		}
	})
}
