package stall

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/nvme"
)

const nqn = nvme.NQN("nqn.2026-11.dev.braid:test")

// node is a subsystem with two controllers and two namespaces, seen twice a
// second.
type node struct {
	at    time.Time
	paths [2]path // by controller
	watch Watch
}

type path struct {
	state      nvme.ControllerState
	connection multipath.Connection // the worst of two, or both
	both       bool
	inFlight   int // of the first namespace
	completed  uint64
	neighbour  int // in flight, of the second namespace
	unknown    bool
}

func newNode() *node {
	n := &node{at: time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)}
	for i := range n.paths {
		n.paths[i].state = nvme.StateLive
	}
	n.see(1)
	return n
}

func (n *node) observation() *multipath.Observation {
	s := multipath.Subsystem{NQN: nqn, Heads: []multipath.Head{{Name: "nvme0n1"}, {Name: "nvme0n2"}}}
	for i, p := range n.paths {
		name := fmt.Sprintf("nvme%d", i)
		c := multipath.Controller{Name: name, Epoch: "epoch of " + name, State: p.state}
		if !p.unknown && p.state == nvme.StateLive {
			c.Connections = []multipath.Connection{{SinceAck: time.Second}, p.connection}
			if p.both {
				c.Connections[0] = p.connection
			}
		}
		s.Controllers = append(s.Controllers, c)
		for h, inFlight := range []int{p.inFlight, p.neighbour} {
			io := &multipath.PathIO{InFlight: inFlight, Writes: p.completed}
			if h == 1 {
				io.Writes = 7
			}
			if p.unknown {
				io = nil
			}
			s.Heads[h].Paths = append(s.Heads[h].Paths, multipath.HeadPath{
				Controller: name, Epoch: fmt.Sprintf("path %d of %s", h, name), ANAState: nvme.ANAOptimized, IO: io, IOTimeout: 30 * time.Second,
			})
		}
	}
	return &multipath.Observation{At: n.at, Subsystems: []multipath.Subsystem{s}}
}

// see observes so often, and lets half a second pass after each.
func (n *node) see(times int) {
	for range times {
		n.watch.See(n.observation())
		n.at = n.at.Add(500 * time.Millisecond)
	}
}

// evidence is what is known of the first controller.
func (n *node) evidence() multipath.Evidence {
	return n.watch.Evidence(&n.observation().Subsystems[0])["nvme0"]
}

// hang has n requests hang on a path that repeats itself for the first time.
func (n *node) hang(p, requests int) {
	n.paths[p].inFlight = requests
	n.paths[p].connection = multipath.Connection{Unacknowledged: 3, Backoff: 1, SinceAck: 300 * time.Millisecond}
	n.see(1)
}

// die has a path repeat itself for longer.
func (n *node) die(p int) {
	n.paths[p].connection = multipath.Connection{Unacknowledged: 3, Backoff: 3, SinceAck: 1500 * time.Millisecond}
	n.see(1)
}

func dead(n *node) {
	n.hang(0, 12)
	n.paths[1].completed = 100
	n.die(0)
}

func TestEvidence(t *testing.T) {
	twelve, none := new(int), new(int)
	*twelve = 12
	const set = "2026-11-23T12:00:01Z" // seen as dead in the third observation
	begin := newNode().at.Add(-500 * time.Millisecond)
	for name, tc := range map[string]struct {
		happens func(*node)
		want    multipath.Evidence
	}{
		"all is well":   {func(n *node) { n.see(1) }, multipath.Evidence{Connections: multipath.Answering, InFlight: none}},
		"the path died": {dead, multipath.Evidence{Connections: multipath.Silent, InFlight: twelve, HangsSince: begin, Requests: set, OthersComplete: true}},
		"the path died, and nobody waits": {func(n *node) { n.hang(0, 0); n.paths[1].completed = 100; n.die(0) },
			multipath.Evidence{Connections: multipath.Silent, InFlight: none}},
		"a slow backend": {func(n *node) {
			n.paths[0].inFlight, n.paths[1].inFlight = 12, 12
			n.see(40)
		}, multipath.Evidence{Connections: multipath.Answering, InFlight: twelve, HangsSince: begin}},
		"a slow backend, on this path only": {func(n *node) {
			n.paths[0].inFlight = 12
			for range 40 {
				n.paths[1].completed += 100
				n.see(1)
			}
		}, multipath.Evidence{Connections: multipath.Answering, InFlight: twelve, HangsSince: begin, OthersComplete: true}},
		"a target without room for data": {func(n *node) {
			n.hang(0, 12)
			n.paths[0].connection = multipath.Connection{Backoff: 5, SinceAck: 200 * time.Millisecond}
			n.see(1)
		}, multipath.Evidence{Connections: multipath.Answering, InFlight: twelve, HangsSince: begin}},
		"a lossy path": {func(n *node) { n.hang(0, 12) }, multipath.Evidence{InFlight: twelve, HangsSince: begin}},
		"both connections lack an attempt": {func(n *node) {
			n.hang(0, 12)
			n.paths[1].completed = 100
			n.paths[0].both = true
			n.paths[0].connection = multipath.Connection{Unacknowledged: 3, Backoff: 2, SinceAck: time.Second}
			n.see(1)
		}, multipath.Evidence{Connections: multipath.Silent, InFlight: twelve, HangsSince: begin, Requests: set, OthersComplete: true}},
		"one connection lacks an attempt": {func(n *node) {
			n.hang(0, 12)
			n.paths[1].completed = 100
			n.paths[0].connection = multipath.Connection{Unacknowledged: 3, Backoff: 2, SinceAck: time.Second}
			n.see(1)
		}, multipath.Evidence{InFlight: twelve, HangsSince: begin, OthersComplete: true}},
		"the others complete nothing": {func(n *node) { n.hang(0, 12); n.die(0); n.see(10) },
			multipath.Evidence{Connections: multipath.Silent, InFlight: twelve, HangsSince: begin, Requests: set}},
		"the others completed something before": {func(n *node) { n.paths[1].completed = 100; n.hang(0, 12); n.die(0) },
			multipath.Evidence{Connections: multipath.Silent, InFlight: twelve, HangsSince: begin, Requests: set}},
		"it was seen as late as that": {func(n *node) { n.see(1); n.paths[0].inFlight = 12; n.paths[1].completed = 100; n.die(0) },
			multipath.Evidence{Connections: multipath.Silent, InFlight: twelve, HangsSince: begin.Add(500 * time.Millisecond), Requests: set}},
		"the other one is silent too": {func(n *node) { n.hang(1, 12); n.hang(0, 12); n.paths[1].completed = 100; n.die(1); n.die(0) },
			multipath.Evidence{Connections: multipath.Silent, InFlight: twelve, HangsSince: begin.Add(500 * time.Millisecond), Requests: "2026-11-23T12:00:01.5Z"}},
		"the other one is connecting": {func(n *node) { n.paths[1].state = nvme.StateConnecting; dead(n) },
			multipath.Evidence{Connections: multipath.Silent, InFlight: twelve, HangsSince: begin, Requests: set}},
		"a neighbour hangs here, and completes nothing": {func(n *node) { n.paths[0].neighbour = 1; *twelve = 13; dead(n) },
			multipath.Evidence{Connections: multipath.Silent, InFlight: twelve, HangsSince: begin, Requests: set}},
		"nothing is known": {func(n *node) { n.paths[0].unknown = true; n.paths[0].inFlight = 12; n.see(3) }, multipath.Evidence{}},
		"some come back": {func(n *node) {
			n.paths[0].inFlight = 12
			for range 3 {
				n.paths[0].completed++
				n.see(1)
			}
		}, multipath.Evidence{Connections: multipath.Answering, InFlight: twelve}},
		"it connects anew": {func(n *node) { dead(n); n.paths[0].state, n.paths[0].inFlight = nvme.StateConnecting, 0; n.see(1) },
			multipath.Evidence{InFlight: none}},
		"it came back": {func(n *node) {
			dead(n)
			n.paths[0].connection = multipath.Connection{}
			n.paths[0].inFlight = 0
			n.see(4)
		},
			multipath.Evidence{Connections: multipath.Answering, InFlight: none}},
	} {
		t.Run(name, func(t *testing.T) {
			*twelve = 12
			n := newNode()
			tc.happens(n)
			if diff := cmp.Diff(tc.want, n.evidence()); diff != "" {
				t.Errorf("evidence (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSet: requests that were moved keep the name of their set for as long as
// one of them may be on its way.
func TestSet(t *testing.T) {
	// moved is the first path dead and given up, with its requests on the other.
	moved := func(n *node) {
		dead(n)
		n.paths[0] = path{state: nvme.StateConnecting}
		n.paths[1].inFlight = 12
		n.see(1)
	}
	for name, tc := range map[string]struct {
		happens func(*node)
		same    bool
	}{
		"they hang at once":              {func(n *node) {}, true},
		"they hang after a while":        {func(n *node) { n.see(58) }, true},
		"they hang after a long time":    {func(n *node) { n.see(70) }, false},
		"nothing was there for a moment": {func(n *node) { n.paths[1].inFlight = 0; n.see(1); n.paths[1].inFlight = 12; n.see(1) }, true},
		"nothing was there for a while":  {func(n *node) { n.paths[1].inFlight = 0; n.see(4) }, false},
		"it was reset meanwhile": {func(n *node) {
			n.see(50)
			n.paths[1].state = nvme.StateResetting
			n.see(1)
			n.paths[1].state = nvme.StateLive
			n.see(20)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode()
			dead(n)
			first := n.evidence().Requests
			n = newNode()
			moved(n)
			tc.happens(n)
			n.hang(1, 12)
			n.die(1)
			second := n.watch.Evidence(&n.observation().Subsystems[0])["nvme1"].Requests
			if first == "" || second == "" || (first == second) != tc.same {
				t.Errorf("sets %q and %q; the same: want %t", first, second, tc.same)
			}
		})
	}
}
