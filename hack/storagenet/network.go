// Package storagenet is the storage network of a test bed guest: a network
// namespace for the target, joined to the host's by one veth pair and one
// subnet for each path, and ways to break a path that leave no trace on the
// host but silence.
//
//	host namespace                     namespace "storage"
//	path1  192.0.2.1/28   ───────────  path1  192.0.2.2/28
//	path2  192.0.2.17/28  ───────────  path2  192.0.2.18/28
//
// Each path has an IPv6 subnet too: 2001:db8:0:1::/64, 2001:db8:0:2::/64, ...
package storagenet

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const (
	namespace = "storage"
	maxPaths  = 16 // subnets of /28 in 192.0.2.0/24
)

// Network is the storage network.
type Network struct {
	// Paths are numbered from 1, the slice is not.
	Paths []*Path

	ns           netns.NsHandle
	host, target *netlink.Handle
}

// New makes a network of n paths.
func New(n int) (*Network, error) {
	if n < 1 || n > maxPaths {
		return nil, fmt.Errorf("storage network: %d paths, there can be 1 to %d", n, maxPaths)
	}
	net := &Network{}
	if err := net.build(n); err != nil {
		return nil, errors.Join(fmt.Errorf("storage network: %w", err), net.Close())
	}
	return net, nil
}

func (n *Network) build(paths int) error {
	var err error
	if n.ns, err = newNamespace(); err != nil {
		return fmt.Errorf("namespace %s: %w", namespace, err)
	}
	if n.host, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return err
	}
	if n.target, err = netlink.NewHandleAt(n.ns, unix.NETLINK_ROUTE); err != nil {
		return err
	}
	if err := setUp(n.target, "lo"); err != nil {
		return err
	}
	for i := 1; i <= paths; i++ {
		p, err := n.newPath(i)
		if err != nil {
			return fmt.Errorf("path %d: %w", i, err)
		}
		n.Paths = append(n.Paths, p)
	}
	return nil
}

// newNamespace makes the named namespace on a thread that ends with it, so no
// other goroutine ever runs there.
func newNamespace() (netns.NsHandle, error) {
	type result struct {
		ns  netns.NsHandle
		err error
	}
	made := make(chan result)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		ns, err := netns.NewNamed(namespace)
		made <- result{ns, err}
	}()
	r := <-made
	return r.ns, r.err
}

// Do runs f on a thread in the target's namespace. Sockets made there, also the
// listeners the kernel makes on behalf of the thread, belong to the namespace.
func (n *Network) Do(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked, as above
		if err := netns.Set(n.ns); err != nil {
			done <- fmt.Errorf("entering namespace %s: %w", namespace, err)
			return
		}
		done <- f()
	}()
	return <-done
}

// BlackHole makes the host send what it has for addr, an address of a path's
// subnet, to a station that does not exist. Connecting to it does not fail, it
// hangs, as it does behind a switch that lost its mind.
func (n *Network) BlackHole(addr netip.Addr) error {
	for _, p := range n.Paths {
		if p.subnet.Contains(addr) || p.subnet6.Contains(addr) {
			return misdirect(n.host, p.Name, addr)
		}
	}
	return fmt.Errorf("black hole: %s is in no path's subnet", addr)
}

// Close removes the network. Sockets of the target keep the namespace, without
// its name, until they are closed.
func (n *Network) Close() error {
	var errs []error
	for _, p := range n.Paths {
		link, err := n.host.LinkByName(p.Name)
		if err == nil {
			err = n.host.LinkDel(link) // its other end goes too
		}
		errs = append(errs, err)
	}
	for _, h := range []*netlink.Handle{n.host, n.target} {
		if h != nil {
			h.Close()
		}
	}
	if n.ns > 0 {
		errs = append(errs, n.ns.Close(), netns.DeleteNamed(namespace))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("removing the storage network: %w", err)
	}
	return nil
}

func setUp(h *netlink.Handle, name string) error {
	link, err := h.LinkByName(name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := h.LinkSetUp(link); err != nil {
		return fmt.Errorf("setting %s up: %w", name, err)
	}
	return nil
}
