package head

import (
	"context"
	"time"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/host"
	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// inspection is what a controller says.
type inspection struct {
	namespaces map[uint32]host.Namespace // nil: as before
	unknown    map[uint32]error          // active, but not identified
	groups     []nvmetcp.ANAGroup
}

// inspect asks the controller and lets the paths follow: for the namespaces too
// if scan is set or that is due. With an error it is to be repeated.
func (c *Controller) inspect(ctx context.Context, scan bool) error {
	s := c.subsystem
	s.mu.Lock()
	generation := c.generation
	scan = scan || c.scan
	c.scan = false
	s.mu.Unlock()
	found, err := c.ask(ctx, scan)
	s.mu.Lock()
	switch {
	case c.generation != generation: // void, and somebody has poked us
		c.scan = c.scan || scan
	case found == nil:
		c.scan = true
	default:
		c.scan = c.scan || len(found.unknown) > 0
		c.learn(found)
	}
	s.mu.Unlock()
	for _, h := range s.opened() {
		h.kick()
	}
	if found != nil {
		for nsid, err := range found.unknown {
			klog.FromContext(ctx).Error(err, "A namespace cannot be identified", "address", c.address, "nsid", nsid)
		}
	}
	return err
}

// ask asks the controller for its ANA log and, if that is due, for its
// namespaces.
func (c *Controller) ask(ctx context.Context, scan bool) (*inspection, error) {
	var i inspection
	var err error
	if c.hasANA() {
		if i.groups, err = c.device.ANALog(ctx); err != nil {
			return nil, err
		}
	}
	if !scan {
		return &i, nil
	}
	nsids, err := c.device.ActiveNamespaces(ctx)
	if err != nil {
		return nil, err
	}
	i.namespaces, i.unknown = map[uint32]host.Namespace{}, map[uint32]error{}
	for _, nsid := range nsids {
		n, err := c.device.IdentifyNamespace(ctx, nsid)
		if err != nil {
			i.unknown[nsid] = err
		} else {
			i.namespaces[nsid] = n
		}
	}
	return &i, nil
}

// learn takes over what the controller has said: its paths are verified. The
// lock of the subsystem is held.
func (c *Controller) learn(i *inspection) {
	if i.namespaces != nil {
		for nsid := range i.unknown { // for the time being it is what it was
			if n, ok := c.found[nsid]; ok {
				i.namespaces[nsid] = n
			}
		}
		c.found = i.namespaces
	}
	c.ana = map[uint32]nvme.ANAState{}
	changing := map[uint32]time.Time{}
	for _, g := range i.groups {
		for _, nsid := range g.Namespaces {
			c.ana[nsid] = g.State
		}
		if g.State != nvme.ANAChange {
			continue
		}
		since, ok := c.changing[g.ID]
		if !ok {
			since = time.Now()
		}
		changing[g.ID] = since
	}
	c.changing = changing
	c.verified = true
	c.attach()
	hasANA := c.hasANA()
	for nsid, p := range c.paths {
		state, known := c.ana[nsid]
		p.ana = state
		if i.unknown[nsid] == nil { // else it is as trusted as before
			p.pending = hasANA && !known
		}
		p.refresh()
	}
	close(c.subsystem.scanned)
	c.subsystem.scanned = make(chan struct{})
}

// overdue is the group that is in transition for longest, 0 for none, and how
// long it still may be: twice ANATT in all (drivers/nvme/host/multipath.c,
// nvme_read_ana_log).
func (c *Controller) overdue() (group uint32, left time.Duration) {
	patience := 2 * time.Duration(c.device.Identify().ANATransitionTime) * time.Second
	c.subsystem.mu.Lock()
	defer c.subsystem.mu.Unlock()
	for id, since := range c.changing {
		if l := time.Until(since.Add(patience)); group == 0 || l < left {
			group, left = id, l
		}
	}
	return group, left
}

// opened are the heads that are open.
func (s *Subsystem) opened() []*Head {
	s.mu.Lock()
	defer s.mu.Unlock()
	var heads []*Head
	for _, h := range s.heads {
		heads = append(heads, h)
	}
	return heads
}
