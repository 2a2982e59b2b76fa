package remediation

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

// world is a subsystem with a volume on each of its namespaces. It judges
// decisions by what it is, in words of its own.
type world struct {
	now         time.Time
	controllers [3]struct {
		state    nvme.ControllerState
		foreign  bool
		marginal bool
		evidence multipath.Evidence
	}
	volumes  [2]volume
	attempts []Attempt
	stop     Suspension
	seen     map[string]int // what was decided, how often
}

// volume is a namespace with its way through each controller.
type volume struct {
	ways [3]struct {
		exists bool
		ana    nvme.ANAState
		record ledger.Record
		since  time.Time // usable without a break since; zero while it is not
	}
	reset *ledger.Reset
}

func newWorld() *world {
	w := &world{now: noon, seen: map[string]int{}}
	for c := range w.controllers {
		w.controllers[c].state = nvme.StateLive
		w.controllers[c].evidence.Connections = multipath.Answering
		for v := range w.volumes {
			w.volumes[v].ways[c].exists = true
			w.volumes[v].ways[c].since = noon
		}
	}
	return w
}

var (
	anyState       = []nvme.ControllerState{nvme.StateLive, nvme.StateLive, nvme.StateConnecting, nvme.StateResetting, nvme.StateDeleting}
	anyANA         = []nvme.ANAState{nvme.ANANone, nvme.ANAOptimized, nvme.ANANonOptimized, nvme.ANAInaccessible, nvme.ANAUnknown}
	anyConnections = []multipath.Connections{multipath.Answering, multipath.Answering, multipath.Unproved, multipath.Silent}
	anyRequests    = []string{"", "", "1", "2", "3"}
)

func pick[T any](all []T, b byte) T { return all[int(b)%len(all)] }

// happen lets something happen: op says what, to which controller and volume.
func (w *world) happen(op, which, value byte) {
	c, v := int(which)%len(w.controllers), int(which)/16%len(w.volumes)
	controller, way := &w.controllers[c], &w.volumes[v].ways[c]
	switch op % 11 {
	case 0:
		controller.state = pick(anyState, value)
	case 1:
		way.ana = pick(anyANA, value)
	case 2:
		way.exists = value%4 != 0
	case 3:
		controller.foreign = value%4 == 0
	case 4:
		n := int(value % 3)
		controller.evidence = multipath.Evidence{Connections: pick(anyConnections, value/3), InFlight: &n, Requests: pick(anyRequests, value/5), OthersComplete: value%2 == 0}
		if value%16 == 15 {
			controller.evidence.InFlight = nil
		}
	case 5:
		way.record.LastEvent = w.now
		way.record.Episodes = append(slices.Clone(way.record.Episodes), w.now)
	case 6, 7: // the step that is on its way ends
		if n := len(w.attempts); n > 0 && w.attempts[n-1].Ended.IsZero() {
			w.attempts[n-1].Ended = w.now
		}
	case 8: // all mends itself
		for i := range w.controllers {
			w.controllers[i].state, w.controllers[i].foreign, w.controllers[i].marginal = nvme.StateLive, false, false
			w.controllers[i].evidence = multipath.Evidence{Connections: multipath.Answering}
			w.volumes[v].ways[i].exists, w.volumes[v].ways[i].ana = true, nvme.ANANone
		}
	case 9:
		w.stop = Suspension{All: value%8 == 0}
		if value%8 == 1 {
			w.stop.Addresses = []nvme.TransportID{address(c)}
		}
	case 10:
		controller.marginal = value%2 == 0
	}
	w.settle()
}

// settle notes which paths are usable.
func (w *world) settle() {
	for v := range w.volumes {
		for c := range w.volumes[v].ways {
			way := &w.volumes[v].ways[c]
			switch {
			case !w.reaches(v, c):
				way.since = time.Time{}
			case way.since.IsZero():
				way.since = w.now
			}
		}
	}
}

// reaches tells whether I/O of a volume goes through a controller, for all that
// the kernel knows.
func (w *world) reaches(v, c int) bool {
	way := w.volumes[v].ways[c]
	return way.exists && w.controllers[c].state == nvme.StateLive &&
		way.ana != nvme.ANAInaccessible && way.ana != nvme.ANAUnknown
}

func (w *world) situation(v int) Situation {
	s := Situation{Now: w.now, Evidence: map[string]multipath.Evidence{}, UsableSince: map[string]time.Time{}, Attempts: slices.Clone(w.attempts), Suspended: w.stop}
	sub := &multipath.Subsystem{Heads: make([]multipath.Head, len(w.volumes))}
	s.Set = &multipath.PathSet{VolumeID: fmt.Sprint("volume", v), Device: multipath.Device{State: multipath.DevicePresent}, LastReset: w.volumes[v].reset}
	for c, controller := range w.controllers {
		name, owner := fmt.Sprint("nvme", c), multipath.Owner
		if controller.foreign {
			owner = ""
		}
		sub.Controllers = append(sub.Controllers, multipath.Controller{Name: name, State: controller.state, Address: address(c), Owner: owner})
		s.Evidence[name] = controller.evidence
		if controller.marginal {
			s.Marginal = append(s.Marginal, key(c))
		}
		for h := range w.volumes {
			if way := w.volumes[h].ways[c]; way.exists {
				sub.Heads[h].Paths = append(sub.Heads[h].Paths, multipath.HeadPath{Name: "p", Controller: name, ANAState: way.ana})
			}
		}
		way := w.volumes[v].ways[c]
		path := multipath.Path{Address: address(c), Key: key(c), Expected: true, Controller: name, State: controller.state, Record: way.record}
		if way.exists {
			path.Name, path.ANAState = "p", way.ana
		}
		if !way.since.IsZero() {
			s.UsableSince[key(c)] = way.since
		}
		s.Set.Paths = append(s.Set.Paths, path)
	}
	s.Subsystem = sub
	return s
}

// wrong says what is wrong with a step, whoever wants it; "" for nothing.
func (w *world) wrong(v int, d Decision, p Policy) string {
	c := slices.IndexFunc([]string{key(0), key(1), key(2)}, func(k string) bool { return k == d.Path })
	if c < 0 {
		return "no such path"
	}
	controller, episodes := w.controllers[c], 0
	for h := range w.volumes {
		another := false
		for i := range w.controllers {
			another = another || i != c && w.reaches(h, i) && w.controllers[i].evidence.Connections != multipath.Silent
		}
		if w.volumes[h].ways[c].exists && !another {
			return fmt.Sprintf("volume %d has no other usable path", h)
		}
	}
	for _, at := range w.volumes[v].ways[c].record.Episodes {
		if w.now.Sub(at) <= p.Flapping.Window {
			episodes++
		}
	}
	e := controller.evidence
	for _, a := range w.attempts {
		switch {
		case a.Ended.IsZero():
			return "another one is on its way"
		case e.Requests != "" && a.Requests == e.Requests:
			return "a second one for the same requests"
		}
	}
	switch {
	case controller.foreign:
		return "the controller is not Braid's"
	case w.reaches(v, c) && e.Connections != multipath.Silent && episodes < p.Flapping.Episodes && !controller.marginal:
		return "the path is fine"
	case d.Step == Bench && (!controller.marginal || !w.reaches(v, c) || e.Connections != multipath.Answering):
		return "the path is not to be benched"
	case d.Step == ResetController && (controller.state != nvme.StateLive || e.Connections != multipath.Answering):
		return "the reset will hang"
	case d.Step == KickConnection && (controller.state != nvme.StateLive || e.Connections != multipath.Silent || !e.OthersComplete):
		return "the connections are not dead"
	case d.Step == Reconnect && (controller.state != nvme.StateConnecting || e.InFlight == nil || *e.InFlight > 0):
		return "I/O may be in flight"
	case d.Step == Rescan && controller.state != nvme.StateLive:
		return "there is nobody to ask"
	}
	return ""
}

// unasked says what is wrong with doing a step by itself.
func (w *world) unasked(v int, d Decision, p Policy) string {
	subject := d.Path
	if d.Step == ResetCounters {
		subject = fmt.Sprint("volume", v)
	}
	recent := 0
	for _, a := range w.attempts {
		if a.Ended.IsZero() {
			return "another one is on its way"
		}
		if a.Path == subject && w.now.Sub(a.Ended) < p.Window {
			recent++
		}
		if a.Path == subject && w.now.Sub(a.Ended) < p.BackOff {
			return "no back-off"
		}
	}
	suspended := w.stop.All || slices.ContainsFunc(w.stop.Addresses, func(a nvme.TransportID) bool { return a.String() == d.Path || d.Path == "" })
	switch {
	case recent >= p.Attempts:
		return "too many attempts"
	case suspended:
		return "it is suspended"
	case d.Step != ResetCounters:
		return w.wrong(v, d, p)
	}
	var happened time.Time
	for c, way := range w.volumes[v].ways {
		episodes := 0
		for _, at := range way.record.Episodes {
			if w.now.Sub(at) <= p.Flapping.Window {
				episodes++
			}
		}
		switch {
		case !w.reaches(v, c), w.controllers[c].evidence.Connections == multipath.Silent, episodes >= p.Flapping.Episodes:
			return "the fault is live"
		case w.now.Sub(way.since) < p.Stabilization, w.now.Sub(way.record.LastEvent) < p.Stabilization:
			return "it has not been well for long enough"
		}
		if way.record.LastEvent.After(happened) {
			happened = way.record.LastEvent
		}
	}
	if r := w.volumes[v].reset; happened.IsZero() || r != nil && !happened.After(r.At) {
		return "there is nothing to reset"
	}
	return ""
}

// live lets a world live: each step of its life is five bytes.
func live(t *testing.T, life []byte) *world {
	w, p := newWorld(), everything()
	for ; len(life) >= 5; life = life[5:] {
		w.now = w.now.Add(time.Duration(life[3]) * time.Second)
		w.happen(life[0], life[1], life[2])
		v := int(life[4]) % len(w.volumes)
		s := w.situation(v)
		for c := range w.controllers {
			for _, step := range steps[:len(steps)-1] {
				if d := Permit(p, s, step, key(c)); d.Step != "" {
					if why := w.wrong(v, d, p); why != "" {
						t.Fatalf("%s: %s of %s is permitted: %s", w.now, step, key(c), why)
					}
				}
			}
		}
		d := Next(p, s)
		w.seen[string(d.Step)+string(d.Reason)]++
		if d.Step == "" {
			continue
		}
		if why := w.unasked(v, d, p); why != "" {
			t.Fatalf("%s: volume %d: %s of %q: %s", w.now, v, d.Step, d.Path, why)
		}
		a := Attempt{Step: d.Step, Path: d.Path, Began: w.now}
		if d.Step == ResetCounters {
			a.Path, a.Ended = s.Set.VolumeID, w.now
			w.volumes[v].reset = &ledger.Reset{At: w.now}
		} else {
			a.Requests = s.Evidence[s.path(d.Path).Controller].Requests
		}
		w.attempts = append(w.attempts, a)
	}
	return w
}

// someLife is a life of n steps, the same for the same seed.
func someLife(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	life := make([]byte, 5*n)
	for i := range life {
		life[i] = byte(r.Uint32())
	}
	return life
}

// TestModel lets worlds live, and sees that everything was decided now and then:
// what is never done is never wrong.
func TestModel(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(200) {
		for what, n := range live(t, someLife(seed, 500)).seen {
			seen[what] += n
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	for _, step := range steps {
		if seen[string(step)] == 0 {
			t.Errorf("%s was never decided", step)
		}
	}
	for _, reason := range []Reason{AlreadyFine, Suspended, InProgress, NotOurs, LastUsablePath, SameRequests, NoStepFits, Stabilizing, BackOff, AttemptsExhausted} {
		if seen[string(reason)] == 0 {
			t.Errorf("%s was never the reason", reason)
		}
	}
	t.Log(seen)
}

func FuzzNext(f *testing.F) {
	f.Add(someLife(1, 50))
	f.Add([]byte{4, 0, 60, 1, 0, 4, 1, 60, 1, 0})
	f.Fuzz(func(t *testing.T, life []byte) { live(t, life) })
}
