package multipath

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/nvme"
)

func TestPair(t *testing.T) {
	viaEth1 := way1
	viaEth1.HostIface = "eth1"
	s := &Subsystem{Controllers: []Controller{
		{Name: "nvme3", Address: nvme.TransportID{Transport: "rdma", TrAddr: "198.51.100.1", TrSvcID: "4420"}, State: nvme.StateLive},
		{Name: "nvme0", Address: way1, State: nvme.StateConnecting},
		{Name: "nvme1", Address: viaEth1, State: nvme.StateLive},
	}}
	var got []string
	for _, w := range pair([]nvme.TransportID{way1, way2}, s) {
		name := "missing"
		if w.controller != nil {
			name = w.controller.Name
		}
		if !w.expected {
			name += " unexpected"
		}
		got = append(got, w.address.String()+" "+name)
	}
	want := []string{
		"tcp://192.0.2.1:4420 nvme1", // live before connecting
		"tcp://192.0.2.2:4420 missing",
		"tcp://192.0.2.1:4420 nvme0 unexpected",
		"rdma://198.51.100.1:4420 nvme3 unexpected",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pairs (-want +got):\n%s", diff)
	}
}

// TestHostOfPathSet: what the node presents is what its controllers do, those of
// the volume's own paths first.
func TestHostOfPathSet(t *testing.T) {
	theirs := Controller{Name: "nvme0", Address: nvme.TransportID{Transport: "tcp", TrAddr: "198.51.100.1", TrSvcID: "4420"}, HostNQN: "nqn.2026-11.test.braid:theirs"}
	ours := Controller{Name: "nvme1", Address: way2, HostNQN: "nqn.2026-11.test.braid:ours", HostID: "id"}
	v := &staged{Volume: testVolume("v", uuidA, way1, way2)}
	for _, tc := range []struct {
		name        string
		controllers []Controller
		want        nvme.NQN
	}{
		{"ours comes first", []Controller{theirs, ours}, ours.HostNQN},
		{"somebody else's only", []Controller{theirs}, theirs.HostNQN},
		{"none", nil, ""},
	} {
		obs := &Observation{Subsystems: []Subsystem{{NQN: v.SubsystemNQN, Controllers: tc.controllers}}}
		if got := merge(v, obs, history{}, nil); got.HostNQN != tc.want || got.HostID == "id" != (tc.want == ours.HostNQN) {
			t.Errorf("%s: host NQN %q, ID %q, want %q", tc.name, got.HostNQN, got.HostID, tc.want)
		}
	}
}

func TestFind(t *testing.T) {
	head := func(epoch string, id nvme.NamespaceID) Head {
		return Head{Name: "nvme0n1", Epoch: epoch, IDs: []nvme.NamespaceID{id}}
	}
	for _, tc := range []struct {
		name   string
		staged string
		s      *Subsystem
		want   DeviceState
		found  bool
	}{
		{"not staged yet, nothing there", "", nil, DevicePending, false},
		{"not staged yet, the head is there", "", &Subsystem{Heads: []Head{head("1", uuidA)}}, DevicePending, true},
		{"the same device", "1", &Subsystem{Heads: []Head{head("1", uuidA)}}, DevicePresent, true},
		{"the subsystem is gone", "1", nil, DeviceVanished, false},
		{"the head was made anew", "1", &Subsystem{Heads: []Head{head("2", uuidA)}}, DeviceVanished, true},
		{"the device has another namespace", "1", &Subsystem{Heads: []Head{head("1", uuidB)}}, DeviceIdentityChanged, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v := &staged{Volume: testVolume("v", uuidA, way1), Head: stagedHead{Epoch: tc.staged}}
			h, state := find(v, tc.s)
			if state != tc.want || (h != nil) != tc.found {
				t.Errorf("find = %v, %s, want found %t, %s", h, state, tc.found, tc.want)
			}
		})
	}
}

func TestBackoff(t *testing.T) {
	for n, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 6: lastBackoff, 1000: lastBackoff} {
		for range 100 {
			if got := backoff(n, firstBackoff, lastBackoff); got < want*4/5 || got > want*6/5 {
				t.Errorf("backoff(%d) = %s, want %s give or take a fifth", n, got, want)
			}
		}
	}
}

func TestStore(t *testing.T) {
	dir := t.TempDir()
	s, err := openStore(dir, testBoot)
	if err != nil {
		t.Fatal(err)
	}
	v := &staged{Volume: testVolume("pvc-1/../../etc", uuidA, way1), Head: stagedHead{Name: "nvme0n1", DevNum: "259:1", Epoch: "e"}, sources: map[string]string{"tcp://192.0.2.1:4420": "192.0.2.9"}}
	if err := s.save(v); err != nil {
		t.Fatal(err)
	}
	load := func(boot string) (map[string]*staged, error) {
		s, err := openStore(dir, boot)
		if err != nil {
			t.Fatal(err)
		}
		return s.load(t.Context())
	}
	got, err := load(testBoot)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]*staged{v.ID: v}, got, cmp.AllowUnexported(staged{})); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}

	broken := filepath.Join(dir, "broken.json")
	if err := os.WriteFile(broken, []byte(`{"version":1,"vol`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := load(testBoot); err != nil || len(got) != 1 {
		t.Errorf("with a torn record: %v, %v, want the other one", got, err)
	}
	if aside, _ := filepath.Glob(broken + ".corrupt-*"); len(aside) != 1 {
		t.Errorf("the torn record was set aside as %q", aside)
	}
	if got, err := load("boot-2"); err != nil || len(got) != 0 {
		t.Errorf("after a reboot: %v, %v, want none", got, err)
	}
	if _, err := os.Stat(s.path(v.ID)); !os.IsNotExist(err) {
		t.Errorf("the record of another boot stays: %v", err)
	}
	newer := filepath.Join(dir, "newer.json")
	if err := os.WriteFile(newer, []byte(`{"version":2,"volume":{"id":"v","subsystemNQN":"n"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := load(testBoot); err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("a newer version: %v, want an error that names it", err)
	}
}
