package storagenet

import (
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
)

// Detour has the host's interface of the path fail, and routing find the target
// through another path, as a default route or a routing daemon would: what used
// to leave by two interfaces leaves by one.
func (p *Path) Detour(through *Path) error {
	link, err := p.network.host.LinkByName(p.Name)
	if err != nil {
		return fmt.Errorf("detour of %s: %w", p.Name, err)
	}
	if err := p.network.host.LinkSetDown(link); err != nil {
		return fmt.Errorf("detour of %s: %w", p.Name, err)
	}
	if err := p.network.host.RouteAdd(p.detour(through)); err != nil {
		return fmt.Errorf("detour of %s: %w", p.Name, err)
	}
	return nil
}

// EndDetour undoes it. What is connected stays on the detour.
func (p *Path) EndDetour(through *Path) error {
	if err := p.network.host.RouteDel(p.detour(through)); err != nil {
		return fmt.Errorf("detour of %s: %w", p.Name, err)
	}
	return setUp(p.network.host, p.Name)
}

// detour is the route to the path's target through another path's.
func (p *Path) detour(through *Path) *netlink.Route {
	return &netlink.Route{
		Dst: &net.IPNet{IP: p.Target.AsSlice(), Mask: net.CIDRMask(32, 32)},
		Gw:  through.Target.AsSlice(),
	}
}
