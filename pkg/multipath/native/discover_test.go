package native

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/nvme"
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
