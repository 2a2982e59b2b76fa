package native

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
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
	to      func(sockdiag.Service) ([]sockdiag.Socket, error)
	destroy func(sockdiag.Socket) error
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
	asked := asked{to: s.to}
	for c := range live(obs) {
		mine, err := asked.owned(c, obs, queues)
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

// owned returns a controller's sockets as they are now, or why it is not known
// which they are.
func (s sockets) owned(c *multipath.Controller, obs *multipath.Observation, queues func(string) (int, error)) ([]sockdiag.Socket, error) {
	return (&asked{to: s.to}).owned(c, obs, queues)
}

// asked remembers the sockets to each service, so that the kernel goes through
// all of the node's only once.
type asked struct {
	to      func(sockdiag.Service) ([]sockdiag.Socket, error)
	answers map[sockdiag.Service]answer
}

type answer struct {
	sockets []sockdiag.Socket
	err     error
}

func (a *asked) ask(s sockdiag.Service) answer {
	got, ok := a.answers[s]
	if !ok {
		got.sockets, got.err = a.to(s)
		if a.answers == nil {
			a.answers = map[sockdiag.Service]answer{}
		}
		a.answers[s] = got
	}
	return got
}

func (a *asked) owned(c *multipath.Controller, obs *multipath.Observation, queues func(string) (int, error)) ([]sockdiag.Socket, error) {
	e, err := endsOf(c)
	if err != nil {
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
	all := a.ask(sockdiag.ServiceOf(e.remote))
	if all.err != nil {
		return nil, all.err
	}
	mine := slices.DeleteFunc(slices.Clone(all.sockets), func(s sockdiag.Socket) bool {
		return s.Remote != e.remote || s.Local.Addr() != e.local
	})
	if len(mine) != want {
		return nil, fmt.Errorf("%d connections from %s to %s, and %d queues", len(mine), e.local, e.remote, want)
	}
	return mine, nil
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
