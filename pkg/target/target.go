package target

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/braid-csi/braid/pkg/nvme"
)

// Target is a running target.
type Target struct {
	ctx        context.Context
	listen     func(netip.AddrPort) (net.Listener, error)
	ports      []*port
	subsystems map[nvme.NQN]*subsystem
	order      []*subsystem // of the configuration
	faults     atomic.Pointer[[]*injected]
	late       lateWrites

	closing  sync.Once
	closeErr error

	mu        sync.Mutex // guards changes of faults
	lastFault FaultID
}

// Start opens namespaces, listens on every port and serves hosts until Close.
// The context is for logging only.
func Start(ctx context.Context, cfg Config) (*Target, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	t := &Target{ctx: context.WithoutCancel(ctx), listen: cfg.Listen, subsystems: map[nvme.NQN]*subsystem{}}
	if t.listen == nil {
		t.listen = func(a netip.AddrPort) (net.Listener, error) { return net.Listen("tcp", a.String()) }
	}
	if err := t.start(cfg); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

func (t *Target) start(cfg Config) error {
	for i, c := range cfg.Subsystems {
		s, err := newSubsystem(c)
		if err != nil {
			return fmt.Errorf("subsystems[%d].%w", i, err)
		}
		t.subsystems[c.NQN] = s
		t.order = append(t.order, s)
	}
	d := newDiscovery()
	t.subsystems[d.nqn] = d
	for i, c := range cfg.Ports {
		p := newPort(t, c)
		t.ports = append(t.ports, p)
		if err := p.open(); err != nil {
			return fmt.Errorf("ports[%d].address: %w", i, err)
		}
	}
	return nil
}

// Close ends all connections and closes the namespaces. Held writes that have
// not been applied are dropped. Closing again gives the same answer.
func (t *Target) Close() error {
	t.closing.Do(func() { t.closeErr = t.close() })
	return t.closeErr
}

func (t *Target) close() error {
	var errs []error
	t.late.drop()
	for _, p := range t.ports {
		p.close()
	}
	for _, s := range t.order {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

// port returns a port by its ID.
func (t *Target) port(id uint16) (*port, error) {
	for _, p := range t.ports {
		if p.id == id {
			return p, nil
		}
	}
	return nil, fmt.Errorf("port: there is no port %d", id)
}

// Address is where a port listens.
func (t *Target) Address(port uint16) (netip.AddrPort, error) {
	p, err := t.port(port)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return p.where(), nil
}

// Cut makes a port drop its connections, with all commands in flight, and
// refuse new ones. It returns when nothing of them is left but held writes.
func (t *Target) Cut(port uint16) error {
	p, err := t.port(port)
	if err != nil {
		return err
	}
	p.close()
	return nil
}

// Repair undoes Cut.
func (t *Target) Repair(port uint16) error {
	p, err := t.port(port)
	if err != nil {
		return err
	}
	return p.open()
}

// AllQueues stands for every connection of a port.
const AllQueues = -1

// Drop ends the connections of one queue on a port, or of all, once. A write
// that has no answer by then takes no effect later, unless a fault holds it.
func (t *Target) Drop(port uint16, queue int) error {
	list, err := t.connections(port, queue)
	end(list...)
	return err
}

// BlackHole silences the connections of one queue on a port, or the whole port
// with those that hosts make later. Nothing is closed, as far as a host can
// see.
func (t *Target) BlackHole(port uint16, queue int) error {
	if err := t.silence(port, queue, true); err != nil {
		return err
	}
	list, err := t.connections(port, queue)
	for _, c := range list {
		c.flow.blackHole()
	}
	return err
}

// Restore ends the silence of one queue or of the whole port.
func (t *Target) Restore(port uint16, queue int) error {
	if err := t.silence(port, queue, false); err != nil {
		return err
	}
	list, err := t.connections(port, queue)
	for _, c := range list {
		c.flow.restore()
	}
	return err
}

// silence says what becomes of connections that hosts make later.
func (t *Target) silence(port uint16, queue int, silent bool) error {
	p, err := t.port(port)
	if err == nil && queue == AllQueues {
		p.setSilent(silent)
	}
	return err
}

// connections are those of a queue on a port, or of all its queues. That there
// is none is an error for a single queue.
func (t *Target) connections(port uint16, queue int) ([]*conn, error) {
	p, err := t.port(port)
	if err != nil {
		return nil, err
	}
	list := p.connections()
	if queue == AllQueues {
		return list, nil
	}
	list = slices.DeleteFunc(list, func(c *conn) bool { return c.queue() != queue })
	if len(list) == 0 {
		return nil, fmt.Errorf("queue: port %d has no connection of queue %d", port, queue)
	}
	return list, nil
}

// SetANA sets the state of an ANA group on a port and tells hosts.
func (t *Target) SetANA(port uint16, group uint32, state nvme.ANAState) error {
	p, err := t.port(port)
	if err != nil {
		return err
	}
	if err := checkANA(group, state); err != nil {
		return fmt.Errorf("ANA: %w", err)
	}
	p.setANA(group, state)
	for _, c := range p.connections() {
		c.anaChanged()
	}
	return nil
}
