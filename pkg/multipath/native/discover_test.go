package native

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
	"github.com/braid-csi/braid/pkg/target"
)

// TestDiscover: of a target with two subsystems, the addresses of one.
func TestDiscover(t *testing.T) {
	const nqn, other = "nqn.2026-11.test.braid:one", "nqn.2026-11.test.braid:other"
	namespace := func(uuid string) []target.NamespaceConfig {
		return []target.NamespaceConfig{{NSID: 1, IDs: []nvme.NamespaceID{{Type: nvme.UUID, Value: uuid}}, Size: 1 << 20}}
	}
	tg, err := target.Start(t.Context(), target.Config{
		Subsystems: []target.SubsystemConfig{
			{NQN: nqn, Namespaces: namespace("0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190801")},
			{NQN: other, Namespaces: namespace("0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190802")},
		},
		Ports: []target.PortConfig{
			{ID: 1, Address: netip.MustParseAddrPort("127.0.0.1:0")}, {ID: 2, Address: netip.MustParseAddrPort("127.0.0.1:0")},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tg.Close() })
	var want []nvme.TransportID
	for port := range uint16(2) {
		a, err := tg.Address(port + 1)
		if err != nil {
			t.Fatal(err)
		}
		id, err := nvme.ParseAddress(a.String())
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, id)
	}
	e := testEngine(t, t.TempDir())
	got, err := e.Discover(t.Context(), want[0], nqn)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("Discover: %v (-want +got):\n%s", err, diff)
	}
	if got, err := e.Discover(t.Context(), want[0], "nqn.2026-11.test.braid:none"); err != nil || len(got) > 0 {
		t.Errorf("a subsystem that is not there: %v, %v", got, err)
	}
	closed := want[0]
	closed.TrSvcID = "1"
	if got, err := e.Discover(t.Context(), closed, nqn); err == nil || !strings.Contains(err.Error(), closed.String()) {
		t.Errorf("nobody listens: %v, %v", got, err)
	}
}

// TestReferrals: what is made of a log that refers to others, once more to where
// that was from, and to where nobody should go.
func TestReferrals(t *testing.T) {
	const nqn = "nqn.2026-11.test.braid:one"
	record := func(kind nvmetcp.SubsystemType, nqn nvme.NQN, addr string, port int) nvmetcp.DiscoveryRecord {
		return nvmetcp.DiscoveryRecord{
			Type: kind, SubsystemNQN: nqn,
			TransportID: nvme.TransportID{Transport: nvme.TransportTCP, TrAddr: addr, TrSvcID: strconv.Itoa(port)},
		}
	}
	refer := func(addr string, port int) nvmetcp.DiscoveryRecord {
		return record(nvmetcp.DiscoveryReferral, nvmetcp.DiscoveryNQN, addr, port)
	}
	first := record(nvmetcp.NVMSubsystem, nqn, "192.0.2.1", 4420)
	var many []nvmetcp.DiscoveryRecord
	for n := range 4096 {
		many = append(many, refer("192.0.2.1", 1000+n))
	}
	for name, tc := range map[string]struct {
		records                     []nvmetcp.DiscoveryRecord
		wantControllers, wantListed int
		wantErr                     string
	}{
		"none":                 {[]nvmetcp.DiscoveryRecord{first, first}, 1, 1, ""},
		"of another subsystem": {[]nvmetcp.DiscoveryRecord{record(nvmetcp.NVMSubsystem, nqn+"2", "192.0.2.1", 4420)}, 1, 0, ""},
		"of itself":            {[]nvmetcp.DiscoveryRecord{record(nvmetcp.CurrentDiscovery, nqn, "192.0.2.1", 4420)}, 1, 0, ""},
		"one":                  {[]nvmetcp.DiscoveryRecord{first, refer("192.0.2.2", 8009), refer("192.0.2.2", 8009)}, 2, 1, ""},
		"where it is from":     {[]nvmetcp.DiscoveryRecord{refer("192.0.2.1", 8009)}, 1, 0, ""},
		"this host":            {[]nvmetcp.DiscoveryRecord{refer("127.0.0.1", 22), first}, 1, 1, "referral: tcp://127.0.0.1:22 is this host"},
		"the link":             {[]nvmetcp.DiscoveryRecord{refer("169.254.169.254", 80), first}, 1, 1, "another one on each link"},
		"many":                 {append(many, first), maxDiscovery, 1, "more than 8 controllers"},
	} {
		d := discovery{nqn: nqn, controllers: []nvme.TransportID{refer("192.0.2.1", 8009).TransportID}}
		err := d.take(tc.records)
		if len(d.controllers) != tc.wantControllers || len(d.listed) != tc.wantListed {
			t.Errorf("%s: controllers %v, listed %v; want %d and %d", name, d.controllers, d.listed, tc.wantControllers, tc.wantListed)
		}
		if (err != nil) != (tc.wantErr != "") || err != nil && !strings.Contains(err.Error(), tc.wantErr) {
			t.Errorf("%s: error %v, want %q", name, err, tc.wantErr)
		}
	}
}
