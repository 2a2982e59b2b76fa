package driver

import (
	"slices"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	"github.com/braid-csi/braid/pkg/health"
)

// TestLegacyVolumeCondition has the bytes that go over the wire; what the types
// of CSI 1.9 make of them is shown by the scenario of that name.
func TestLegacyVolumeCondition(t *testing.T) {
	r := newRig(t)
	r.stage(t, mountCapability("", writer))
	ask := func() (string, int, error) {
		t.Helper()
		res, err := r.NodeGetVolumeStats(t.Context(), &csi.NodeGetVolumeStatsRequest{VolumeId: "vol-1", VolumePath: r.staging})
		return string(res.ProtoReflect().GetUnknown()), len(res.GetUsage()), err
	}
	advertised := func() bool {
		t.Helper()
		res, err := r.NodeGetCapabilities(t.Context(), &csi.NodeGetCapabilitiesRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(res.GetCapabilities(), func(c *csi.NodeServiceCapability) bool { return c.GetRpc().GetType() == 4 })
	}
	lost := health.Finding{Status: health.Degraded, Reason: health.PathRedundancyLost, Message: "1 of 2"}
	slow := health.Finding{Status: health.Degraded, Reason: health.NoOptimizedPath}
	var statfs error
	r.node.Fail = func(call string, _ ...string) error {
		if call == "statfs" {
			return statfs
		}
		return nil
	}
	const healthy, abnormal = "\x12\x09\x12\x07healthy", "\x12\x1e\x08\x01\x12\x1aPathRedundancyLost: 1 of 2"
	for _, tt := range []struct {
		name     string
		flag     bool
		notReady bool
		found    []health.Finding
		statfs   error
		code     codes.Code
		want     string
		usage    int
	}{
		{name: "without the flag", found: []health.Finding{lost}, usage: 2},
		{name: "without the flag, unknown", notReady: true, usage: 2},
		{name: "healthy", flag: true, want: healthy, usage: 2},
		{name: "a finding", flag: true, found: []health.Finding{lost}, want: abnormal, usage: 2},
		{name: "two", flag: true, found: []health.Finding{slow, lost}, want: "\x12\x36\x08\x01\x12\x32PathRedundancyLost: 1 of 2 (also: NoOptimizedPath)", usage: 2},
		{name: "unknown is not healthy", flag: true, notReady: true, code: codes.Unavailable},
		{name: "no usage, and the reason is known", flag: true, found: []health.Finding{lost}, statfs: errTest, want: abnormal},
		{name: "no usage, for no known reason", flag: true, statfs: errTest, code: codes.Internal},
	} {
		r.driver.LegacyVolumeCondition, r.health.notReady, statfs = tt.flag, tt.notReady, tt.statfs
		r.health.volumes = map[string][]health.Finding{"vol-1": tt.found}
		got, usage, err := ask()
		wantCode(t, tt.name, err, tt.code)
		if diff := cmp.Diff(tt.want, got); diff != "" || usage != tt.usage {
			t.Errorf("%s: %d usages, want %d; field (-want +got):\n%s", tt.name, usage, tt.usage, diff)
		}
		if advertised() != tt.flag {
			t.Errorf("%s: the capability is advertised: %t", tt.name, !tt.flag)
		}
	}
}
