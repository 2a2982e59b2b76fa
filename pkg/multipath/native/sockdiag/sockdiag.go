package sockdiag

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// ErrUnsupported says that this kernel cannot do it.
var ErrUnsupported = errors.New("not supported by this kernel")

// Service is what connections lead to, as far as the kernel selects by it: a port,
// at IPv4 or IPv6 addresses.
type Service struct {
	Port uint16
	IPv6 bool
}

// ServiceOf is the service at an address.
func ServiceOf(a netip.AddrPort) Service { return Service{a.Port(), a.Addr().Is6()} }

func (s Service) family() uint8 {
	if s.IPv6 {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

// To returns the connections to a service at whatever address, whoever in this
// network namespace has them. The kernel goes through all of the node's for it.
func To(s Service) ([]Socket, error) {
	var id [sizeofID]byte
	binary.BigEndian.PutUint16(id[remotePort:], s.Port)
	answers, err := execute(unix.SOCK_DIAG_BY_FAMILY, netlink.Dump, request(s.family(), connected, id))
	if err != nil {
		return nil, fmt.Errorf("connections to port %d: %w", s.Port, err)
	}
	sockets := make([]Socket, len(answers))
	for i, a := range answers {
		if sockets[i], err = parse(a.Data); err != nil {
			return nil, err
		}
	}
	return sockets, nil
}

// Destroy ends a connection at once and tells the far end nothing that it could
// wait for. A connection that has ended is no failure. It takes CAP_NET_ADMIN
// and a kernel with CONFIG_INET_DIAG_DESTROY, else ErrUnsupported.
func Destroy(s Socket) error {
	_, err := execute(unix.SOCK_DESTROY, netlink.Acknowledge, request(ServiceOf(s.Remote).family(), connected, s.id))
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESTALE) {
		return nil // ESTALE: the ports are another connection's by now
	}
	if err != nil {
		return fmt.Errorf("end the connection %s to %s: %w", s.Local, s.Remote, err)
	}
	return nil
}

func execute(command netlink.HeaderType, flags netlink.HeaderFlags, body []byte) ([]netlink.Message, error) {
	c, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }() // nothing is lost with it
	answers, err := c.Execute(netlink.Message{Header: netlink.Header{Type: command, Flags: netlink.Request | flags}, Data: body})
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil, fmt.Errorf("%w (CONFIG_INET_DIAG_DESTROY): %w", ErrUnsupported, err)
	}
	if err != nil && command == unix.SOCK_DIAG_BY_FAMILY && errors.Is(err, unix.ENOENT) {
		return nil, fmt.Errorf("%w (module tcp_diag): %w", ErrUnsupported, err)
	}
	return answers, err
}
