package host

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/braid-csi/braid/pkg/nvme"
)

// dialTCP opens a connection from the host address and interface that the
// address names, if it does.
func dialTCP(ctx context.Context, to nvme.TransportID) (net.Conn, error) {
	d := net.Dialer{KeepAlive: -1} // NVMe has its own
	if to.HostTrAddr != "" {
		from, err := netip.ParseAddr(to.HostTrAddr)
		if err != nil {
			return nil, fmt.Errorf("hostTraddr: %w", err)
		}
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	if to.HostIface != "" {
		d.Control = func(_, _ string, socket syscall.RawConn) error {
			var bind error
			err := socket.Control(func(fd uintptr) { bind = syscall.BindToDevice(int(fd), to.HostIface) })
			if err == nil && bind != nil {
				err = fmt.Errorf("hostIface: %w", bind)
			}
			return err
		}
	}
	return d.DialContext(ctx, "tcp", to.Address())
}
