package host

import (
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
	"github.com/braid-csi/braid/pkg/target/targettest"
)

func TestDiscover(t *testing.T) {
	tg := startTarget(t, targetConfig())
	cfg := hostConfig(t, tg)
	cfg.SubsystemNQN = ""
	records, err := Discover(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	var got []nvme.TransportID
	for _, r := range records {
		if r.SubsystemNQN != testNQN || r.Type != nvmetcp.NVMSubsystem {
			t.Errorf("record %+v", r)
		}
		got = append(got, r.TransportID)
	}
	if diff := cmp.Diff([]nvme.TransportID{transportID(t, tg, 1), transportID(t, tg, 2)}, got); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
	targettest.Until(t, "the target to forget the host", func() bool { return len(tg.State().Controllers) == 0 })
}

// discoveryRecords are n ways to a subsystem.
func discoveryRecords(n int) (list []nvmetcp.DiscoveryRecord) {
	for i := range n {
		ip := net.IPv4(192, 0, 2, byte(i))
		list = append(list, nvmetcp.DiscoveryRecord{
			TransportID:  nvme.TransportID{Transport: nvme.TransportTCP, TrAddr: ip.String(), TrSvcID: "4420"},
			SubsystemNQN: testNQN, Type: nvmetcp.NVMSubsystem,
		})
	}
	return list
}

// TestDiscoverMany: more records than one command reads, a log that changes
// while it is read, and records that are of no use.
func TestDiscoverMany(t *testing.T) {
	for _, tc := range []struct {
		name    string
		changes int // how often the log changes while it is read
		claimed uint64
		want    int
		wantErr string
	}{
		{"many", 0, 11, 9, ""},
		{"changing", 2, 11, 9, ""},
		{"changing for ever", 1 << 30, 11, 0, "log changed during each of 5 reads"},
		{"more than anybody has", 0, 11 + 1<<40, 0, "1099511627787 records, at most 4096 are read"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			generation, left := uint64(1), tc.changes
			f := startFake(t, on(isOpcode(nvmetcp.GetLogPage), func(q *fakeQueue, c nvmetcp.Command) {
				r := c.Log()
				log := nvmetcp.AppendDiscoveryLog(nil, generation, discoveryRecords(11))
				log[8+5] = byte(tc.claimed >> 40)      // NUMREC
				log[nvmetcp.DiscoveryRecordSize*3] = 1 // RDMA
				copy(log[nvmetcp.DiscoveryRecordSize*5+512:], "nonsense")
				if r.Offset == 0 && left > 0 {
					left--
					generation++
				}
				q.give(c, log[r.Offset:][:r.Length])
			}))
			f.id = nvmetcp.IdentifyController{ControllerID: 7, Type: nvmetcp.DiscoveryController, SubsystemNQN: nvmetcp.DiscoveryNQN}
			cfg := f.config()
			cfg.SubsystemNQN = ""
			records, err := Discover(t.Context(), cfg)
			if tc.wantErr == "" && err != nil || tc.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tc.wantErr)) {
				t.Fatalf("error %v, want one with %q", err, tc.wantErr)
			}
			if len(records) != tc.want {
				t.Errorf("%d records, want %d", len(records), tc.want)
			}
		})
	}
}
