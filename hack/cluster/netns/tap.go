package netns

import (
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Address gives an interface another address, in CIDR notation.
func (n *Namespace) Address(link, cidr string) error {
	err := n.Do(func() error {
		l, err := netlink.LinkByName(link)
		if err != nil {
			return err
		}
		a, err := netlink.ParseAddr(cidr)
		if err != nil {
			return err
		}
		return netlink.AddrAdd(l, a)
	})
	if err != nil {
		return fmt.Errorf("address %s of %s: %w", cidr, link, err)
	}
	return nil
}

// Route sends what is for a network, in CIDR notation, to a gateway.
func (n *Namespace) Route(cidr, gateway string) error {
	err := n.Do(func() error {
		_, to, err := net.ParseCIDR(cidr)
		if err != nil {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{Dst: to, Gw: net.ParseIP(gateway)})
	})
	if err != nil {
		return fmt.Errorf("route to %s: %w", cidr, err)
	}
	return nil
}

// Tap makes an interface that is up, and whose other end is the file: a
// machine's network card. It goes when the file is closed.
func (n *Namespace) Tap(name string) (*os.File, error) {
	var tap *os.File
	err := n.Do(func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			return fmt.Errorf("/dev/net/tun: %w", err)
		}
		tap = os.NewFile(uintptr(fd), name)
		request, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		// A virtio header lets the guest leave checksums and segments to us.
		request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
			return err
		}
		l, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(l)
	})
	if err != nil {
		if tap != nil {
			tap.Close()
		}
		return nil, fmt.Errorf("tap %s: %w", name, err)
	}
	return tap, nil
}
