package native

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/native/sockdiag"
	"github.com/braid-csi/braid/pkg/nvme"
)

func tcp(name, to, from string) multipath.Controller {
	return multipath.Controller{
		Name: name, State: nvme.StateLive, SrcAddr: from,
		Address: nvme.TransportID{Transport: nvme.TransportTCP, TrAddr: to, TrSvcID: "4420"},
	}
}

// TestConnections: a controller has the connections that can be no other's, or
// it is said why it is not known which it has.
func TestConnections(t *testing.T) {
	const near, far = "192.0.2.1", "192.0.2.2"
	broken := errors.New("no tcp_diag")
	for name, tc := range map[string]struct {
		controllers []multipath.Controller
		from        []string // the source addresses of the connections to each address
		err         error
		want        string // why the first controller's are not known
	}{
		"its own":               {[]multipath.Controller{tcp("nvme0", far, near)}, []string{near, near, near}, nil, ""},
		"over IPv6":             {[]multipath.Controller{tcp("nvme0", "2001:db8::2", "2001:db8::1")}, []string{"2001:db8::1", "2001:db8::1", "2001:db8::1"}, nil, ""},
		"beside other ones":     {[]multipath.Controller{tcp("nvme0", far, near), tcp("nvme1", far, "192.0.2.9")}, []string{near, near, near, "192.0.2.9"}, nil, ""},
		"one is missing":        {[]multipath.Controller{tcp("nvme0", far, near)}, []string{near, near}, nil, "2 connections from 192.0.2.1 to 192.0.2.2:4420, and 3 queues"},
		"one too many":          {[]multipath.Controller{tcp("nvme0", far, near)}, []string{near, near, near, near}, nil, "4 connections"},
		"none to be seen":       {[]multipath.Controller{tcp("nvme0", far, near)}, nil, nil, "0 connections"},
		"two of one address":    {[]multipath.Controller{tcp("nvme0", far, near), tcp("nvme1", far, near)}, []string{near, near, near}, nil, "cannot be told apart"},
		"no source address":     {[]multipath.Controller{tcp("nvme0", far, "")}, []string{near, near, near}, nil, "does not say where"},
		"no way to find out":    {[]multipath.Controller{tcp("nvme0", far, near)}, nil, broken, broken.Error()},
		"not over TCP":          {[]multipath.Controller{{Name: "nvme0", State: nvme.StateLive, Address: nvme.TransportID{Transport: "rdma", TrAddr: far}}}, nil, nil, "rdma"},
		"its address is a name": {[]multipath.Controller{tcp("nvme0", "storage", near)}, nil, nil, "address"},
	} {
		t.Run(name, func(t *testing.T) {
			s := sockets{to: func(service sockdiag.Service) (all []sockdiag.Socket, err error) {
				to, err := netip.ParseAddrPort(tc.controllers[0].Address.Address())
				if err != nil || service != sockdiag.ServiceOf(to) {
					return nil, fmt.Errorf("asked for %+v: %w", service, err)
				}
				elsewhere := netip.AddrPortFrom(to.Addr().Next(), to.Port())
				for _, from := range tc.from {
					local := netip.AddrPortFrom(netip.MustParseAddr(from), 1)
					all = append(all, sockdiag.Socket{Local: local, Remote: to, Backoff: 3}, sockdiag.Socket{Local: local, Remote: elsewhere})
				}
				return all, tc.err
			}}
			obs := &multipath.Observation{Subsystems: []multipath.Subsystem{{Controllers: tc.controllers}}}
			s.enter(obs, func(string) (int, error) { return 3, nil })
			c := obs.Subsystems[0].Controllers[0]
			if tc.want == "" && (len(c.Connections) != 3 || c.Connections[2].Backoff != 3 || c.NoConnections != "") {
				t.Errorf("got %+v, %q", c.Connections, c.NoConnections)
			}
			if tc.want != "" && (c.Connections != nil || !strings.Contains(c.NoConnections, tc.want)) {
				t.Errorf("got %+v, %q; want none for %q", c.Connections, c.NoConnections, tc.want)
			}
		})
	}
}

func TestParseStat(t *testing.T) {
	io, err := parseStat(" 29 0 104 1972 7 0 56 300 4 284 1972 0 0 0 0 0 0")
	if err != nil || io.InFlight != 4 || io.Completed() != 36 || io.ReadTime.Milliseconds() != 1972 || io.WriteTime.Milliseconds() != 300 {
		t.Errorf("%+v, %v", io, err)
	}
	for _, bad := range []string{"", "1 2 3", "1 2 3 4 5 6 7 8 x 10 11", "-1 2 3 4 5 6 7 8 9 10 11"} {
		if io, err := parseStat(bad); err == nil {
			t.Errorf("%q was read as %+v", bad, io)
		}
	}
}
