package head

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/braid-csi/braid/pkg/host"
	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// Subsystem is an NVM subsystem with the controllers that this host has in it,
// and the heads of the namespaces that are open.
type Subsystem struct {
	ctx     context.Context // for logging, and for what runs until Close
	cancel  context.CancelFunc
	cfg     Config
	connect func(context.Context, host.Config) (device, error)
	watches sync.WaitGroup

	mu          sync.Mutex // guards what follows, and paths
	closed      bool
	controllers []*Controller
	heads       map[uint32]*Head // by NSID
	scanned     chan struct{}    // closed and replaced with each scan
}

// device is a controller, as *host.Controller is one.
type device interface {
	link
	Reset()
	Close(context.Context) error
	MaxTransfer() int
	ANALog(context.Context) ([]nvmetcp.ANAGroup, error)
	ActiveNamespaces(context.Context) ([]uint32, error)
	IdentifyNamespace(ctx context.Context, nsid uint32) (host.Namespace, error)
	Counters() nvme.Counters
	SetCounter(nvme.Counter, uint64) error
}

// New returns a subsystem without controllers. The context's logger is used as
// long as it lives.
func New(ctx context.Context, cfg Config) (*Subsystem, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	return &Subsystem{
		ctx: ctx, cancel: cancel, cfg: cfg, heads: map[uint32]*Head{}, scanned: make(chan struct{}),
		connect: func(ctx context.Context, cfg host.Config) (device, error) { return host.Connect(ctx, cfg) },
	}, nil
}

// Connect connects a controller. Its NUMA node, negative if it has none, is
// that of the network interface. The context bounds the first connect only.
func (s *Subsystem) Connect(ctx context.Context, address nvme.TransportID, node int) (*Controller, error) {
	s.mu.Lock()
	err := s.free(address)
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	c := newController(s, address, node)
	cfg := s.cfg.Host
	cfg.Address = address
	cfg.BeforeLive = func(ctx context.Context, d *host.Controller) error { return c.beforeLive(ctx, d) }
	cfg.StateChanged, cfg.ANAChanged, cfg.NamespacesChanged = c.stateChanged, c.lookAgain, c.scanAgain
	d, err := s.connect(ctx, cfg)
	if err == nil {
		if err = s.add(c, d); err == nil {
			return c, nil
		}
		err = errors.Join(err, d.Close(ctx))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(c)
	return nil, err
}

var errClosed = errors.New("the subsystem is closed")

// add makes a controller that has connected one of the subsystem's.
func (s *Subsystem) add(c *Controller, d device) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	if err := s.free(c.address); err != nil { // somebody else was faster
		return err
	}
	if c.device == nil {
		c.device = d
	}
	s.controllers = append(s.controllers, c)
	s.watches.Go(c.watch)
	c.lookAgain()
	return nil
}

// free makes room for a controller: one that is dead goes. The lock is held.
func (s *Subsystem) free(address nvme.TransportID) error {
	for _, c := range s.controllers {
		if c.address != address {
			continue
		}
		if state := c.device.State(); state != nvme.StateDead {
			return fmt.Errorf("%s is connected already, and is %s", address, state)
		}
		s.remove(c)
		break
	}
	return nil
}

// Disconnect shuts a controller down and forgets it. Requests that are on it
// fail over.
func (s *Subsystem) Disconnect(ctx context.Context, c *Controller) error {
	err := c.device.Close(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(c)
	return err
}

// remove forgets a controller with its paths. The lock is held.
func (s *Subsystem) remove(c *Controller) {
	for nsid := range c.paths {
		c.leave(nsid)
	}
	s.controllers = slices.DeleteFunc(s.controllers, func(other *Controller) bool { return other == c })
	c.stop()
}

// Open makes the head of a namespace, and waits until a controller has it. A
// namespace is open once.
func (s *Subsystem) Open(ctx context.Context, id nvme.NamespaceID) (*Head, error) {
	for {
		h, scanned, err := s.open(id)
		if h != nil || err != nil {
			return h, err
		}
		select {
		case <-scanned:
		case <-s.ctx.Done():
			return nil, errClosed
		case <-ctx.Done():
			return nil, fmt.Errorf("no controller has a namespace %s: %w", id, ctx.Err())
		}
	}
}

// open makes the head if a controller has the namespace now. Else scanned is
// closed when it is worth another look.
func (s *Subsystem) open(id nvme.NamespaceID) (h *Head, scanned chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, errClosed
	}
	for _, h := range s.heads {
		if slices.Contains(h.ids, id) {
			return nil, nil, fmt.Errorf("namespace %s is open already", id)
		}
	}
	for _, c := range s.controllers {
		for _, n := range c.found {
			if !slices.Contains(n.IDs, id) {
				continue
			}
			if other := s.heads[n.NSID]; other != nil {
				return nil, nil, fmt.Errorf("NSID %d is %v still, now %s: close it first", n.NSID, other.ids, id)
			}
			h := newHead(s.ctx, s.cfg, n.IDs, geometry{nsid: n.NSID, blocks: n.Blocks, blockShift: n.BlockShift})
			h.subsystem = s
			s.heads[n.NSID] = h
			for _, c := range s.controllers {
				c.attach()
			}
			return h, nil, nil
		}
	}
	return nil, s.scanned, nil
}

// forget is called when a head is closed: the namespace can be opened again.
func (s *Subsystem) forget(h *Head) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.heads[h.NSID()] != h {
		return
	}
	delete(s.heads, h.NSID())
	for _, c := range s.controllers {
		c.leave(h.NSID())
		delete(c.refused, h.NSID())
	}
}

// Controllers are the controllers of the subsystem, in the order of Connect.
func (s *Subsystem) Controllers() []*Controller {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.controllers)
}

// Close closes heads and shuts controllers down. When it returns, every
// request is done; what is in doubt then, the heads still tell. Closing again
// does nothing.
func (s *Subsystem) Close(ctx context.Context) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	controllers := slices.Clone(s.controllers)
	var heads []*Head
	for _, h := range s.heads {
		heads = append(heads, h)
	}
	s.mu.Unlock()
	s.cancel()
	for _, h := range heads {
		h.close()
	}
	errs := make([]error, len(controllers))
	var closing sync.WaitGroup
	for i, c := range controllers {
		closing.Go(func() { errs[i] = c.device.Close(ctx) })
	}
	closing.Wait()
	s.watches.Wait()
	for _, h := range heads {
		<-h.ended // nothing is on its way any more
	}
	return errors.Join(errs...)
}
