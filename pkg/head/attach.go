package head

import (
	"errors"
	"fmt"
	"slices"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/host"
	"github.com/braid-csi/braid/pkg/nvme"
)

// attach makes the namespaces that were found paths of the heads that are open,
// and takes away what is none any more. The lock of the subsystem is held.
func (c *Controller) attach() {
	before := c.refused
	c.refused = map[uint32]error{}
	for nsid := range c.paths {
		if _, ok := c.found[nsid]; !ok {
			c.leave(nsid)
		}
	}
	for nsid, n := range c.found {
		h := c.subsystem.heads[nsid]
		if h == nil {
			continue
		}
		if err := c.admit(h, n); err != nil {
			if old := before[nsid]; old == nil || old.Error() != err.Error() {
				klog.FromContext(c.ctx).Error(err, "Refusing a path", "address", c.address, "nsid", nsid)
			}
			c.refused[nsid] = err
			c.leave(nsid)
			continue
		}
		c.join(h, n)
	}
	for _, h := range c.subsystem.heads {
		c.subsystem.measure(h)
	}
}

// admit tells why a namespace cannot be a path of the head, nil if it can. A
// path that has grown stays: the head grows when all have.
func (c *Controller) admit(h *Head, n host.Namespace) error {
	g, p := h.geometry.Load(), c.paths[n.NSID]
	others := slices.ContainsFunc(h.Paths(), func(other *Path) bool { return other != p })
	switch {
	case !sameIDs(h.ids, n.IDs):
		return fmt.Errorf("it is namespace %v, elsewhere NSID %d is %v", n.IDs, n.NSID, h.ids)
	case n.BlockShift != g.blockShift:
		return fmt.Errorf("its blocks have %d bytes, elsewhere %d", 1<<n.BlockShift, 1<<g.blockShift)
	case n.Blocks < g.blocks, p == nil && n.Blocks != g.blocks:
		return fmt.Errorf("it has %d blocks, elsewhere %d", n.Blocks, g.blocks)
	case others && !n.Shared:
		return errors.New("it is not shared, but other controllers have it too")
	}
	return nil
}

// sameIDs compares identifiers; two lists without any are not the same.
func sameIDs(a, b []nvme.NamespaceID) bool {
	in := func(list []nvme.NamespaceID) func(nvme.NamespaceID) bool {
		return func(id nvme.NamespaceID) bool { return !slices.Contains(list, id) }
	}
	return len(a) > 0 && len(b) > 0 && !slices.ContainsFunc(a, in(b)) && !slices.ContainsFunc(b, in(a))
}

// join makes a namespace a path of the head, if it is not yet.
func (c *Controller) join(h *Head, n host.Namespace) {
	p := c.paths[n.NSID]
	if p == nil {
		state, known := c.ana[n.NSID]
		p = &Path{
			link: c.device, address: c.address, node: c.node, inFlight: &c.inFlight,
			head: h, ana: state, pending: !c.verified || c.hasANA() && !known,
		}
		p.suspect = func(s nvme.Status) { c.suspect(p, s) }
		p.refresh()
		c.paths[n.NSID] = p
		paths := append(slices.Clone(h.Paths()), p)
		h.paths.Store(&paths)
	}
	p.blocks = n.Blocks
	p.maxTransfer = uint64(c.device.MaxTransfer())
}

// leave takes a path from its head.
func (c *Controller) leave(nsid uint32) {
	p := c.paths[nsid]
	if p == nil {
		return
	}
	delete(c.paths, nsid)
	p.rank.Store(int32(unusable))
	paths := slices.DeleteFunc(slices.Clone(p.head.Paths()), func(other *Path) bool { return other == p })
	p.head.paths.Store(&paths)
}

// measure works out what fits through every path of a head. If the head has
// grown, paths that did not fit may now.
func (s *Subsystem) measure(h *Head) {
	paths, old := h.Paths(), h.geometry.Load()
	if len(paths) == 0 {
		return
	}
	g := *old
	g.blocks, g.maxTransfer = paths[0].blocks, paths[0].maxTransfer
	for _, p := range paths {
		g.blocks, g.maxTransfer = min(g.blocks, p.blocks), min(g.maxTransfer, p.maxTransfer)
	}
	if g == *old {
		return
	}
	h.geometry.Store(&g)
	for _, c := range s.controllers {
		if len(c.refused) > 0 {
			c.scan = true
			c.lookAgain()
		}
	}
}
