package remediation

import (
	"slices"
	"testing"
	"time"

	"github.com/braid-csi/braid/pkg/multipath"
	"github.com/braid-csi/braid/pkg/multipath/stall"
)

// stalled plays a node whose agent does what Next says: a scene, observed twice a
// second.
type stalled struct {
	Situation
	policy Policy
	watch  stall.Watch
	steps  []string
}

func newStalled() *stalled {
	s := &stalled{Situation: scene(), policy: everything()}
	for h := range s.Subsystem.Heads {
		for i := range s.Subsystem.Heads[h].Paths {
			p := &s.Subsystem.Heads[h].Paths[i]
			p.Epoch, p.IO = p.Name+s.Subsystem.Heads[h].Name, &multipath.PathIO{}
		}
	}
	for i := range s.Subsystem.Controllers {
		c := &s.Subsystem.Controllers[i]
		c.Epoch = c.Name
		s.answer(i)
	}
	s.turn(time.Second)
	return s
}

// io is what a path of the set's own namespace does.
func (s *stalled) io(path int) *multipath.PathIO { return s.Subsystem.Heads[0].Paths[path].IO }

// answer has a controller's connections answer, silence has one be dead.
func (s *stalled) answer(i int) {
	s.Subsystem.Controllers[i].Connections = []multipath.Connection{{SinceAck: time.Second}, {SinceAck: 2 * time.Second}}
}

func (s *stalled) silence(i, backoff int) {
	s.Subsystem.Controllers[i].Connections = []multipath.Connection{
		{SinceAck: time.Second}, {Unacknowledged: 1, Backoff: backoff, SinceAck: time.Duration(backoff) * 600 * time.Millisecond},
	}
}

// turn lets time pass, with an agent that decides after each observation.
func (s *stalled) turn(d time.Duration) {
	for end := s.Now.Add(d); s.Now.Before(end); s.Now = s.Now.Add(500 * time.Millisecond) {
		s.watch.See(&multipath.Observation{At: s.Now, Subsystems: []multipath.Subsystem{*s.Subsystem}})
		s.Evidence = s.watch.Evidence(s.Subsystem)
		d := Next(s.policy, s.Situation)
		if d.Step == "" {
			continue
		}
		s.steps = append(s.steps, string(d.Step)+" "+d.Path)
		s.Attempts = append(s.Attempts, Attempt{
			Step: d.Step, Path: d.Path, Began: s.Now, Ended: s.Now,
			Requests: s.Evidence[s.controller(s.path(d.Path)).Name].Requests,
		})
	}
}

// TestStalled: a path is kicked that is dead, for requests that wait, once; a slow
// backend is left alone.
func TestStalled(t *testing.T) {
	die := func(s *stalled, i int) {
		s.io(i).InFlight = 12
		s.silence(i, 1)
		s.turn(500 * time.Millisecond)
		s.silence(i, 3)
	}
	kick := func(i int) string { return string(KickConnection) + " " + key(i) }
	for name, tc := range map[string]struct {
		happens func(*stalled)
		want    []string
	}{
		"all is well": {func(s *stalled) { s.turn(time.Minute) }, nil},
		"a slow backend": {func(s *stalled) {
			s.io(0).InFlight, s.io(1).InFlight = 12, 12
			s.turn(20 * time.Second)
		}, nil},
		"a slow backend, and the neighbour's is quick": {func(s *stalled) {
			s.io(0).InFlight, s.io(1).InFlight = 12, 12
			for range 40 {
				s.Subsystem.Heads[1].Paths[1].IO.Writes++
				s.turn(500 * time.Millisecond)
			}
		}, nil},
		"a dead path": {func(s *stalled) {
			die(s, 0)
			s.io(1).Writes++
			s.turn(20 * time.Second)
		}, []string{kick(0)}},
		"a dead path, of a policy without the step": {func(s *stalled) {
			s.policy.Steps = []Step{Rescan, ResetController, Reconnect, ResetCounters}
			die(s, 0)
			s.io(1).Writes++
			s.turn(20 * time.Second)
		}, nil},
		"both paths dead": {func(s *stalled) {
			die(s, 0)
			die(s, 1)
			s.turn(20 * time.Second)
		}, nil},
		"a dead path, and then the other": {func(s *stalled) {
			die(s, 0)
			s.io(1).Writes++
			s.turn(time.Second)
			s.io(0).InFlight, s.io(1).InFlight = 0, 12
			s.answer(0)
			s.turn(5 * time.Second)
			die(s, 1)
			s.io(0).Writes++
			s.turn(10 * time.Second)
		}, []string{kick(0)}},
		"a dead path, and the other an hour later": {func(s *stalled) {
			die(s, 0)
			s.io(1).Writes++
			s.turn(time.Second)
			s.io(0).InFlight = 0
			s.answer(0)
			s.turn(time.Hour)
			die(s, 1)
			s.io(0).Writes++
			s.turn(10 * time.Second)
		}, []string{kick(0), kick(1)}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStalled()
			tc.happens(s)
			if !slices.Equal(s.steps, tc.want) {
				t.Errorf("steps %q, want %q", s.steps, tc.want)
			}
		})
	}
}
