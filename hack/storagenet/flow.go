package storagenet

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// BusiestFlow is the host's port of the connection to an address over which most
// is received while something is done: of a controller's connections, one that
// carries I/O. What it has received altogether does not tell, for an admin queue
// has seen much when a controller is new.
func BusiestFlow(to netip.AddrPort, while func() error) (port uint16, err error) {
	before, err := received(to)
	if err != nil {
		return 0, err
	}
	if err := while(); err != nil {
		return 0, err
	}
	after, err := received(to)
	if err != nil {
		return 0, err
	}
	var most uint64
	for p, n := range after {
		if n -= before[p]; n > most {
			most, port = n, p
		}
	}
	if port == 0 {
		return 0, fmt.Errorf("no connection to %s receives anything", to)
	}
	return port, nil
}

// received is how many bytes came over each connection to an address, by the
// host's port.
func received(to netip.AddrPort) (map[uint16]uint64, error) {
	family := uint8(unix.AF_INET)
	if to.Addr().Is6() {
		family = unix.AF_INET6
	}
	all, err := netlink.SocketDiagTCPInfo(family)
	if err != nil {
		return nil, fmt.Errorf("connections to %s: %w", to, err)
	}
	bytes := map[uint16]uint64{}
	for _, s := range all {
		remote, _ := netip.AddrFromSlice(s.InetDiagMsg.ID.Destination)
		if s.TCPInfo != nil && s.InetDiagMsg.ID.DestinationPort == to.Port() && remote.Unmap() == to.Addr() {
			bytes[s.InetDiagMsg.ID.SourcePort] = s.TCPInfo.Bytes_received
		}
	}
	return bytes, nil
}

// CutFlow drops everything that one TCP connection of the host's sends or is sent
// over the path (IPv4), as a broken link of several that share the traffic does.
// The others do not notice. Restore ends it.
func (p *Path) CutFlow(hostPort uint16) error {
	// The ports are the first word behind an IP header without options.
	toHost := match(20, 0x0000ffff, uint32(hostPort))
	toTarget := match(20, 0xffff0000, uint32(hostPort)<<16)
	if err := errors.Join(p.drop(p.network.host, toHost), p.drop(p.network.target, toTarget)); err != nil {
		return fmt.Errorf("cutting a connection on %s: %w", p.Name, err)
	}
	return nil
}

// largest is how long an IPv4 packet may be that CutLarge lets through.
const largest = 1023

// CutLarge drops the large packets that come from the target (IPv4), as a switch
// does that was set up for smaller ones: what is short, such as a keep-alive, is
// answered as ever. Restore ends it.
func (p *Path) CutLarge() error {
	for bit := uint32(largest + 1); bit <= 1<<15; bit <<= 1 {
		// The packet's length is the low half of its first word.
		if err := p.drop(p.network.host, match(0, bit, bit)); err != nil {
			return fmt.Errorf("cutting large packets on %s: %w", p.Name, err)
		}
	}
	return nil
}

// match is a filter for packets of which the word at an offset, as far as the mask
// goes, has a value.
func match(offset int32, mask, value uint32) *netlink.U32 {
	return &netlink.U32{Sel: &nl.TcU32Sel{
		Flags: nl.TC_U32_TERMINAL, Nkeys: 1, Keys: []nl.TcU32Key{{Mask: mask, Val: value, Off: offset}},
	}}
}

// drop has one end drop what matches as it comes in.
func (p *Path) drop(h *netlink.Handle, what *netlink.U32) error {
	link, err := h.LinkByName(p.Name)
	if err != nil {
		return err
	}
	ingress := netlink.MakeHandle(0xffff, 0)
	err = h.QdiscAdd(&netlink.Ingress{QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: link.Attrs().Index, Handle: ingress, Parent: netlink.HANDLE_INGRESS,
	}})
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	what.FilterAttrs = netlink.FilterAttrs{LinkIndex: link.Attrs().Index, Parent: ingress, Priority: 1, Protocol: unix.ETH_P_IP}
	what.Actions = []netlink.Action{&netlink.GenericAction{ActionAttrs: netlink.ActionAttrs{Action: netlink.TC_ACT_SHOT}}}
	return h.FilterAdd(what)
}
