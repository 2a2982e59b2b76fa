package target

import (
	"net/netip"

	"github.com/braid-csi/braid/pkg/nvme"
)

// State is what a target is doing, for people and for tests.
type State struct {
	Ports       []PortState       `json:"ports"`
	Controllers []ControllerState `json:"controllers"`
	Faults      []InjectedFault   `json:"faults"`
	// HeldWrites were held by faults, LateWrites of them applied after the end
	// of their connections.
	HeldWrites int64 `json:"heldWrites"`
	LateWrites int64 `json:"lateWrites"`
}

// PortState is a port.
type PortState struct {
	ID      uint16         `json:"id"`
	Address netip.AddrPort `json:"address"`
	// Cut says that it refuses connections, Silent that it is a black hole.
	Cut    bool `json:"cut,omitempty"`
	Silent bool `json:"silent,omitempty"`
	// Connections are those of all hosts.
	Connections int `json:"connections"`
	// ANA has the groups whose state is not optimized.
	ANA map[uint32]nvme.ANAState `json:"ana,omitempty"`
}

// ControllerState is a controller that a host has connected.
type ControllerState struct {
	ID           uint16   `json:"id"`
	SubsystemNQN nvme.NQN `json:"subsystem"`
	HostNQN      nvme.NQN `json:"host"`
	Port         uint16   `json:"port"`
	// Queues is how many I/O queues it has.
	Queues int `json:"queues"`
}

// State tells what the target is doing.
func (t *Target) State() State {
	s := State{Faults: t.Faults()}
	s.HeldWrites, s.LateWrites = t.LateWrites()
	for _, p := range t.ports {
		s.Ports = append(s.Ports, p.state())
	}
	for _, sub := range t.order {
		sub.mu.Lock()
		for _, k := range sub.controllers {
			s.Controllers = append(s.Controllers, k.state())
		}
		sub.mu.Unlock()
	}
	return s
}

func (p *port) state() PortState {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := PortState{ID: p.id, Address: p.address, Cut: p.listener == nil, Silent: p.silent, Connections: len(p.conns), ANA: map[uint32]nvme.ANAState{}}
	for group := range p.ana {
		if a := p.ana[group].Load(); a.state != nvme.ANAOptimized {
			s.ANA[uint32(group)] = a.state
		}
	}
	return s
}

func (k *controller) state() ControllerState {
	k.mu.Lock()
	defer k.mu.Unlock()
	return ControllerState{ID: k.id, SubsystemNQN: k.subsystem.nqn, HostNQN: k.hostNQN, Port: k.port.id, Queues: len(k.queues)}
}
