package target

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/nvme"
)

// maxConnections bounds how many connections a port has at once: a host needs
// one for each processor and one more.
const maxConnections = 1024

// port is an address of the target.
type port struct {
	target *Target
	id     uint16
	// ana has the state of each group; the index is the group.
	ana [MaxANAGroup + 1]atomic.Pointer[anaState]

	mu       sync.Mutex
	address  netip.AddrPort // with the port that was free, once it is known
	listener net.Listener
	accepted sync.WaitGroup
	conns    map[*conn]struct{}
	silent   bool // connections that hosts make are black holes
}

// anaState is the state of a group on a port.
type anaState struct {
	state   nvme.ANAState
	changes uint64
}

func newPort(t *Target, cfg PortConfig) *port {
	p := &port{target: t, id: cfg.ID, address: cfg.Address, conns: map[*conn]struct{}{}}
	for group := range p.ana {
		p.ana[group].Store(&anaState{state: nvme.ANAOptimized})
	}
	for group, state := range cfg.ANA {
		p.ana[group].Store(&anaState{state: state})
	}
	return p
}

// setANA is called by one at a time for each port: the change counts.
func (p *port) setANA(group uint32, state nvme.ANAState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ana[group].Store(&anaState{state: state, changes: p.ana[group].Load().changes + 1})
}

// anaStatus is what a command to a namespace of the group gets on this port,
// success if it may be executed.
func (p *port) anaStatus(group uint32) nvme.Status {
	switch p.ana[group].Load().state {
	case nvme.ANAInaccessible:
		return nvme.StatusANAInaccessible
	case nvme.ANAPersistentLoss:
		return nvme.StatusANAPersistentLoss
	case nvme.ANAChange:
		return nvme.StatusANATransition
	}
	return nvme.StatusSuccess
}

// open listens; on a port that listens already it does nothing.
func (p *port) open() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		return nil
	}
	l, err := p.target.listen(p.address)
	if err != nil {
		return err
	}
	if a, ok := l.Addr().(*net.TCPAddr); ok {
		p.address = netip.AddrPortFrom(p.address.Addr(), uint16(a.Port))
	}
	p.listener = l
	p.accepted.Go(func() { p.accept(l) })
	return nil
}

// close stops listening, ends every connection and waits for the last. It also
// ends silence: where nothing listens there is nothing to be silent.
func (p *port) close() {
	p.mu.Lock()
	if p.listener != nil {
		_ = p.listener.Close() // it accepts no more, whatever it says
		p.listener = nil
	}
	p.mu.Unlock()
	p.setSilent(false)
	list := p.connections()
	end(list...)
	for _, c := range list {
		c.flow.restore()
	}
	p.accepted.Wait()
}

func (p *port) accept(l net.Listener) {
	for {
		nc, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // for instance, too many open files
			klog.FromContext(p.target.ctx).Error(err, "Accepting a connection", "port", p.id)
			if !p.pause(l) {
				return
			}
			continue
		}
		c := newConn(p, nc)
		if !p.add(l, c) {
			_ = nc.Close()
			continue
		}
		p.accepted.Go(func() {
			defer p.remove(c)
			c.run()
		})
	}
}

// pause waits a little after a failure; it is over at once if the port closes.
func (p *port) pause(l net.Listener) bool {
	ctx, cancel := context.WithTimeout(p.target.ctx, 100*time.Millisecond)
	defer cancel()
	<-ctx.Done()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.listener == l
}

// add registers a connection unless the port has closed or has too many.
func (p *port) add(l net.Listener, c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != l || len(p.conns) >= maxConnections {
		return false
	}
	if p.silent {
		c.flow.blackHole()
	}
	p.conns[c] = struct{}{}
	return true
}

func (p *port) remove(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

func (p *port) connections() []*conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []*conn
	for c := range p.conns {
		list = append(list, c)
	}
	return list
}

func (p *port) setSilent(silent bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent = silent
}

func (p *port) where() netip.AddrPort {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.address
}

// transportID is the port as hosts know it.
func (p *port) transportID() nvme.TransportID {
	a := p.where()
	return nvme.TransportID{Transport: nvme.TransportTCP, TrAddr: a.Addr().String(), TrSvcID: strconv.Itoa(int(a.Port()))}
}

func (p *port) String() string { return fmt.Sprintf("port %d", p.id) }
