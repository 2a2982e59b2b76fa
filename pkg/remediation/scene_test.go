package remediation

import (
	"time"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

var noon = time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return noon.Add(-d) }

// address is that of the i-th port, and the key of the path to it.
func address(i int) nvme.TransportID {
	return nvme.TransportID{Transport: nvme.TransportTCP, TrAddr: "192.0.2." + string(rune('1'+i)), TrSvcID: "4420"}
}

func key(i int) string { return address(i).String() }

// everything is a policy that may do all, in the order of the API.
func everything() Policy {
	p := DefaultPolicy()
	p.Steps = steps
	return p
}

// scene is a volume over two ports, and a namespace of somebody else's over the
// same. Everything has been well for an hour.
func scene() Situation {
	s := Situation{Now: noon, Evidence: map[string]multipath.Evidence{}, UsableSince: map[string]time.Time{}}
	set := &multipath.PathSet{VolumeID: "orders", Expected: 2, Device: multipath.Device{State: multipath.DevicePresent}}
	sub := &multipath.Subsystem{Name: "nvme-subsys0", Heads: []multipath.Head{{Name: "nvme0n1"}, {Name: "nvme0n2"}}}
	for i, controller := range []string{"nvme0", "nvme1"} {
		sub.Controllers = append(sub.Controllers, multipath.Controller{
			Name: controller, State: nvme.StateLive, Address: address(i), Owner: multipath.Owner,
		})
		for h := range sub.Heads {
			sub.Heads[h].Paths = append(sub.Heads[h].Paths, multipath.HeadPath{Name: "c" + controller, Controller: controller, ANAState: nvme.ANAOptimized})
		}
		set.Paths = append(set.Paths, multipath.Path{
			Address: address(i), Key: key(i), Expected: true, Name: "nvme0c0n1", Controller: controller,
			State: nvme.StateLive, ANAState: nvme.ANAOptimized,
		})
		s.Evidence[controller] = multipath.Evidence{Connections: multipath.Answering, InFlight: new(int)}
		s.UsableSince[key(i)] = ago(time.Hour)
	}
	s.Set, s.Subsystem = set, sub
	return s
}

// record has episodes that began so long ago, oldest first.
func record(began ...time.Duration) ledger.Record {
	var r ledger.Record
	for _, d := range began {
		r.Episodes = append(r.Episodes, ago(d))
		r.LastEvent = ago(d)
	}
	return r
}

// What may be wrong with a scene. All but the last two are about its first path.

func flapping(s *Situation) {
	s.Set.Paths[0].Record = record(5*time.Minute, 3*time.Minute, time.Minute)
}

func flappedAt(began ...time.Duration) func(*Situation) {
	return func(s *Situation) { s.Set.Paths[0].Record = record(began...) }
}

func unstable(s *Situation) {
	s.Set.Paths[0].ControllerRecord = record(5*time.Minute, 3*time.Minute, time.Minute)
}

func inState(state nvme.ControllerState) func(*Situation) {
	return func(s *Situation) {
		s.Set.Paths[0].State, s.Subsystem.Controllers[0].State = state, state
		s.Set.Paths[0].Record.LastEvent = ago(10 * time.Minute)
		delete(s.UsableSince, key(0))
	}
}

func dead(s *Situation) {
	e := multipath.Evidence{Connections: multipath.Silent, InFlight: new(int), Requests: "7", OthersComplete: true}
	*e.InFlight = 12
	s.Evidence["nvme0"] = e
}

func withoutNamespace(s *Situation) {
	s.Set.Paths[0].Name, s.Set.Paths[0].ANAState = "", nvme.ANANone
	s.Subsystem.Heads[0].Paths = s.Subsystem.Heads[0].Paths[1:]
}

func inaccessible(path int) func(*Situation) {
	return func(s *Situation) {
		s.Set.Paths[path].ANAState = nvme.ANAInaccessible
		for h := range s.Subsystem.Heads {
			s.Subsystem.Heads[h].Paths[path].ANAState = nvme.ANAInaccessible
		}
	}
}

func slowOne(s *Situation) { s.Marginal = []string{key(0)} }

func onTheBench(s *Situation) {
	inState(nvme.StateAbsent)(s)
	s.Set.Paths[0].BenchedUntil = noon.Add(time.Minute)
}

// onDetour has the first path leave the host as the second does.
func onDetour(s *Situation) {
	s.Set.Paths[0].FirstSrcAddr, s.Set.Paths[0].SrcAddr = "192.0.2.101", "192.0.2.102"
	s.Set.Paths[1].FirstSrcAddr, s.Set.Paths[1].SrcAddr = "192.0.2.102", "192.0.2.102"
}

func foreign(s *Situation) { s.Subsystem.Controllers[0].Owner = "nvme-cli" }

func evidence(controller string, change func(*multipath.Evidence)) func(*Situation) {
	return func(s *Situation) {
		e := s.Evidence[controller]
		change(&e)
		s.Evidence[controller] = e
	}
}

// neighbourAlone takes the other namespace's second path away.
func neighbourAlone(s *Situation) {
	s.Subsystem.Heads[1].Paths = s.Subsystem.Heads[1].Paths[:1]
}

// tried has steps on a path that ended so long ago.
func tried(path string, step Step, ended ...time.Duration) func(*Situation) {
	return func(s *Situation) {
		for _, d := range ended {
			s.Attempts = append(s.Attempts, Attempt{Step: step, Path: path, Began: ago(d + time.Second), Ended: ago(d)})
		}
	}
}
