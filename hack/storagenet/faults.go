package storagenet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// nobody is a locally administered station address that no link has. A frame
// for it crosses the veth pair and is dropped by the other end, so a cut shows
// up nowhere: links keep their carrier, routes stay, sockets stay established.
// Setting a link down would tell the host.
var nobody = net.HardwareAddr{0x02, 0, 0, 0, 0xde, 0xad}

// Cut drops everything on the path, both ways.
func (p *Path) Cut() error { return errors.Join(p.CutToTarget(), p.CutToHost()) }

// CutToTarget drops what the host sends.
func (p *Path) CutToTarget() error { return p.cut(p.hostEnd()) }

// CutToHost drops what the target sends.
func (p *Path) CutToHost() error { return p.cut(p.targetEnd()) }

func (p *Path) cut(from end) error {
	for _, addr := range []netip.Addr{from.remote, from.remoteSix} {
		if err := misdirect(from.handle, p.Name, addr); err != nil {
			return fmt.Errorf("cutting %s: %w", p.Name, err)
		}
	}
	return nil
}

// Restore ends every fault of the path, and does nothing to one that has none.
// What BlackHole did to other addresses of its subnet stays.
func (p *Path) Restore() error {
	var errs []error
	for _, e := range p.ends() {
		for _, addr := range []netip.Addr{e.remote, e.remoteSix} {
			errs = append(errs, direct(e.handle, p.Name, addr))
		}
		errs = append(errs, undegrade(e.handle, p.Name))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("restoring %s: %w", p.Name, err)
	}
	return nil
}

// Degrade makes the path worse without breaking it: each end sends everything
// later by delay and loses some of it.
func (p *Path) Degrade(delay time.Duration, lossPercent float32) error {
	for _, e := range p.ends() {
		link, err := e.handle.LinkByName(p.Name)
		if err != nil {
			return fmt.Errorf("degrading %s: %w", p.Name, err)
		}
		netem := netlink.NewNetem(
			netlink.QdiscAttrs{LinkIndex: link.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT},
			netlink.NetemQdiscAttrs{Latency: uint32(delay.Microseconds()), Loss: lossPercent, Limit: 10_000},
		)
		if err := e.handle.QdiscReplace(netem); err != nil {
			return fmt.Errorf("degrading %s: %w", p.Name, err)
		}
	}
	return nil
}

func undegrade(h *netlink.Handle, name string) error {
	link, err := h.LinkByName(name)
	if err != nil {
		return err
	}
	qdiscs, err := h.QdiscList(link)
	if err != nil {
		return err
	}
	for _, q := range qdiscs {
		if q.Type() == "netem" || q.Type() == "ingress" {
			if err := h.QdiscDel(q); err != nil {
				return err
			}
		}
	}
	return nil
}

// misdirect gives addr a permanent neighbour entry that leads nowhere.
func misdirect(h *netlink.Handle, name string, addr netip.Addr) error {
	n, err := neighbour(h, name, addr)
	if err != nil {
		return err
	}
	n.State, n.HardwareAddr = unix.NUD_PERMANENT, nobody
	if err := h.NeighSet(n); err != nil {
		return fmt.Errorf("neighbour %s: %w", addr, err)
	}
	return nil
}

// direct removes such an entry: the next packet resolves the address anew.
func direct(h *netlink.Handle, name string, addr netip.Addr) error {
	n, err := neighbour(h, name, addr)
	if err != nil {
		return err
	}
	if err := h.NeighDel(n); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("neighbour %s: %w", addr, err)
	}
	return nil
}

func neighbour(h *netlink.Handle, name string, addr netip.Addr) (*netlink.Neigh, error) {
	link, err := h.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	family := unix.AF_INET
	if addr.Is6() {
		family = unix.AF_INET6
	}
	return &netlink.Neigh{LinkIndex: link.Attrs().Index, Family: family, IP: addr.AsSlice()}, nil
}
