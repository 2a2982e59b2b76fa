package cluster

import (
	"encoding/json"
	"slices"
	"testing"
)

func TestGateFlag(t *testing.T) {
	for _, tt := range []struct {
		gates map[string]bool
		want  []string
	}{
		{nil, nil},
		{map[string]bool{"B": false, "A": true}, []string{"--feature-gates=A=true,B=false"}},
	} {
		if got := gateFlag(tt.gates); !slices.Equal(got, tt.want) {
			t.Errorf("gateFlag(%v) = %q, want %q", tt.gates, got, tt.want)
		}
	}
}

func TestKubeletConfig(t *testing.T) {
	b, err := kubeletConfig(Config{
		FeatureGates: map[string]bool{"CSIVolumeHealth": true},
		Kubelet:      map[string]any{"volumeStatsAggPeriod": "1s"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Kind                                string
		VolumeStatsAggPeriod, SyncFrequency string
		FeatureGates                        map[string]bool
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if got.Kind != "KubeletConfiguration" || got.VolumeStatsAggPeriod != "1s" || got.SyncFrequency != "10s" || !got.FeatureGates["CSIVolumeHealth"] {
		t.Errorf("configuration %+v from\n%s", got, b)
	}
}
