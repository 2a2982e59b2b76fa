package storagenet

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Path is one way from the host to the target: a veth pair, of which both ends
// have the same name.
type Path struct {
	Name string
	// Host and Target are the addresses of the two ends.
	Host, Target   netip.Addr
	Host6, Target6 netip.Addr

	subnet, subnet6 netip.Prefix
	network         *Network
}

// newPath makes the i-th path, counted from 1.
func (n *Network) newPath(i int) (*Path, error) {
	p := &Path{
		Name:    fmt.Sprintf("path%d", i),
		subnet:  netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(16 * (i - 1))}), 28),
		subnet6: netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 7: byte(i)}), 64),
		network: n,
	}
	p.Host, p.Host6 = p.subnet.Addr().Next(), p.subnet6.Addr().Next()
	p.Target, p.Target6 = p.Host.Next(), p.Host6.Next()

	veth := &netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: p.Name},
		PeerName:      p.Name,
		PeerNamespace: netlink.NsFd(n.ns),
	}
	if err := n.host.LinkAdd(veth); err != nil {
		return nil, fmt.Errorf("veth pair: %w", err)
	}
	for _, end := range p.ends() {
		if err := setUp(end.handle, p.Name); err != nil {
			return nil, err
		}
		for _, a := range []netip.Prefix{netip.PrefixFrom(end.own, p.subnet.Bits()), netip.PrefixFrom(end.own6, p.subnet6.Bits())} {
			if err := addAddress(end.handle, p.Name, a); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

// end is one end of a path with the addresses of both.
type end struct {
	handle            *netlink.Handle
	own, own6         netip.Addr
	remote, remoteSix netip.Addr
}

func (p *Path) ends() []end { return []end{p.hostEnd(), p.targetEnd()} }

func (p *Path) hostEnd() end {
	return end{p.network.host, p.Host, p.Host6, p.Target, p.Target6}
}

func (p *Path) targetEnd() end {
	return end{p.network.target, p.Target, p.Target6, p.Host, p.Host6}
}

// Unused is an address of the path's subnet that nobody has.
func (p *Path) Unused() netip.Addr {
	return p.Target.Next()
}

// Move gives the target's end the address that nobody had, in place of the one it
// has: that one is gone, and nobody answers there.
func (p *Path) Move() error {
	from, to := netip.PrefixFrom(p.Target, p.subnet.Bits()), netip.PrefixFrom(p.Unused(), p.subnet.Bits())
	link, err := p.network.target.LinkByName(p.Name)
	if err != nil {
		return err
	}
	if err := p.network.target.AddrDel(link, &netlink.Addr{IPNet: ipNet(from)}); err != nil {
		return fmt.Errorf("address %s: %w", from, err)
	}
	p.Target = to.Addr()
	return addAddress(p.network.target, p.Name, to)
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func addAddress(h *netlink.Handle, name string, prefix netip.Prefix) error {
	link, err := h.LinkByName(name)
	if err != nil {
		return err
	}
	addr := &netlink.Addr{IPNet: ipNet(prefix)}
	if prefix.Addr().Is6() {
		// Usable at once: there is nobody to detect a duplicate of.
		addr.Flags = unix.IFA_F_NODAD
	}
	if err := h.AddrAdd(link, addr); err != nil {
		return fmt.Errorf("address %s: %w", prefix, err)
	}
	return nil
}
