package native

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/native/sockdiag"
)

// TestKick: the connections of the controller are ended, and no other's; none
// where it is not certain whose they are. The tree has two live controllers with
// three queues each.
func TestKick(t *testing.T) {
	connection := func(port uint16, from, to string) sockdiag.Socket {
		return sockdiag.Socket{Local: netip.AddrPortFrom(netip.MustParseAddr(from), port), Remote: netip.MustParseAddrPort(to + ":4420")}
	}
	for name, tc := range map[string]struct {
		queues  uint16 // how many connections there are to each address
		destroy error
		gone    bool
		want    []string
		err     error
	}{
		"its own":                    {queues: 3, want: []string{"192.0.2.1:1", "192.0.2.1:2", "192.0.2.1:3"}},
		"somebody else's among them": {queues: 4, err: errAny},
		"a kernel that cannot":       {queues: 3, destroy: sockdiag.ErrUnsupported, err: multipath.ErrUnsupported},
		"another of that name":       {queues: 3, gone: true, err: errAny},
	} {
		t.Run(name, func(t *testing.T) {
			e := testEngine(t, unpack(t, "testdata/7.2.13+deb14-cloud-amd64/live.sysfs"))
			var ended []string
			e.sockets = sockets{
				to: func(sockdiag.Service) (all []sockdiag.Socket, err error) {
					for port := range tc.queues {
						all = append(all, connection(port+1, "192.0.2.1", "192.0.2.2"), connection(port+1, "192.0.2.17", "192.0.2.18"))
					}
					return all, nil
				},
				destroy: func(s sockdiag.Socket) error {
					if tc.destroy == nil {
						ended = append(ended, s.Local.String())
					}
					return tc.destroy
				},
			}
			obs, err := e.Observe(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			c := *obs.Subsystems[0].Controller("nvme0")
			if tc.gone {
				c.Epoch = testBootID + "/controller/1"
			}
			err = e.KickConnection(c)
			if (err == nil) != (tc.err == nil) || tc.err != nil && tc.err != errAny && !errors.Is(err, tc.err) {
				t.Errorf("%v, want %v", err, tc.err)
			}
			if diff := cmp.Diff(tc.want, ended); diff != "" {
				t.Errorf("ended (-want +got):\n%s", diff)
			}
		})
	}
}

var errAny = errors.New("any error")
