package native

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/native/sockdiag"
	"github.com/braid-csi/braid/pkg/nvme"
)

// sockets finds the kernel's sockets of controllers. The kernel does not say
// which are whose, so they are told by their addresses, and only where that is
// certain:
//
//	to the controller's address, from its source address
//	  --> another controller has the same two: whose is whose is not known
//	  --> not one for each queue: there are somebody else's among them, or some
//	      are in another network namespace
//	  --> else they are the controller's
type sockets struct {
	to func(netip.AddrPort) ([]sockdiag.Socket, error)
}

// ends are the addresses by which a controller's sockets are told.
type ends struct {
	local  netip.Addr
	remote netip.AddrPort
}

func endsOf(c *multipath.Controller) (ends, error) {
	if c.Address.Transport != nvme.TransportTCP {
		return ends{}, fmt.Errorf("its transport is %s", c.Address.Transport)
	}
	remote, err := netip.ParseAddrPort(c.Address.Address())
	if err != nil {
		return ends{}, fmt.Errorf("its address: %w", err)
	}
	local, err := netip.ParseAddr(c.SrcAddr)
	if err != nil {
		return ends{}, errors.New("the kernel does not say where its connections begin")
	}
	return ends{local, remote}, nil
}

// enter tells the connections of every live controller in an observation. A
// failure is no failure of the observation: it is noted with the controller.
func (s sockets) enter(obs *multipath.Observation, queues func(controller string) (int, error)) {
	found := map[ends][]sockdiag.Socket{}
	failed := map[netip.AddrPort]error{}
	asked := map[netip.AddrPort]bool{}
	for c := range live(obs) {
		e, err := endsOf(c)
		if err != nil || asked[e.remote] {
			continue
		}
		asked[e.remote] = true
		all, err := s.to(e.remote)
		failed[e.remote] = err
		for _, socket := range all {
			at := ends{socket.Local.Addr(), socket.Remote}
			found[at] = append(found[at], socket)
		}
	}
	for c := range live(obs) {
		mine, err := s.of(c, obs, found, failed, queues)
		if err != nil {
			c.NoConnections = err.Error()
			continue
		}
		for _, socket := range mine {
			c.Connections = append(c.Connections, multipath.Connection{
				Unacknowledged: socket.Unacknowledged, Backoff: socket.Backoff, Retransmitted: socket.Retransmitted,
				RTT: socket.RTT, SinceAck: socket.SinceAck,
			})
		}
	}
}

// of returns a controller's sockets among those that were found, or why it is
// not known which they are.
func (s sockets) of(c *multipath.Controller, obs *multipath.Observation, found map[ends][]sockdiag.Socket, failed map[netip.AddrPort]error,
	queues func(string) (int, error)) ([]sockdiag.Socket, error) {
	e, err := endsOf(c)
	if err != nil {
		return nil, err
	}
	if err := failed[e.remote]; err != nil {
		return nil, err
	}
	for other := range live(obs) {
		if theirs, err := endsOf(other); err == nil && theirs == e && other.Name != c.Name {
			return nil, fmt.Errorf("its connections and those of %s cannot be told apart", other.Name)
		}
	}
	want, err := queues(c.Name)
	if err != nil {
		return nil, err
	}
	if have := len(found[e]); have != want {
		return nil, fmt.Errorf("%d connections from %s to %s, and %d queues", have, e.local, e.remote, want)
	}
	return found[e], nil
}

// live yields the live controllers: the others have no connections, or are
// making them.
func live(obs *multipath.Observation) func(yield func(*multipath.Controller) bool) {
	return func(yield func(*multipath.Controller) bool) {
		for i := range obs.Subsystems {
			for j := range obs.Subsystems[i].Controllers {
				if c := &obs.Subsystems[i].Controllers[j]; c.State == nvme.StateLive && !yield(c) {
					return
				}
			}
		}
	}
}

// queues is how many queues a controller has, the admin queue among them.
func (e *Engine) queues(controller string) (int, error) {
	s, err := e.attr.reread(controllerClass, controller, "queue_count")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(s)
}
