package multipath

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"time"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/nvme"
)

const (
	// probeInterval is the time between two probes of a path that carries nothing.
	probeInterval = 15 * time.Second
	// probeWait is for how long an answer may take. It is no timeout of the
	// command: at that the kernel would reset the controller of a slow target.
	probeWait = 3 * time.Second
	// probesAtOnce is how many controllers are asked at the same time: each takes a
	// process, and a node may have hundreds that are idle.
	probesAtOnce = 8
)

// Probe is what came of asking the controller of a path that carries no I/O for
// something as large as a block.
type Probe struct {
	At   time.Time // when it was asked
	Took time.Duration
	// Problem is why there was no answer; empty: there was.
	Problem string
}

// prober is an engine that can ask a controller something.
type prober interface {
	// Probe asks a controller to identify itself and returns what waits for the
	// answer, as long as limit from when it was asked and then ErrNoAnswer, also
	// several times; the end of its context ends the waiting only.
	Probe(c Controller, limit time.Duration) (wait func(context.Context) error, err error)
}

// probes are what is known of idle controllers, by their epochs. The maps are
// guarded by the state lock.
type probes struct {
	last map[string]*Probe
	// completed is what a controller had completed at the round before.
	completed map[string]uint64
}

// probeIdle asks, now and then, those controllers of the volumes' that carry no
// I/O: keep-alives are small, and a path that loses whatever is large, or whose
// target does nothing any more, would show only when it is needed. Behind an
// answer that is lost on the way, keep-alives wait on the same connection: within
// KATO the kernel gives such a controller up (seen on 7.2).
func (l *Layer) probeIdle(ctx context.Context) {
	p, ok := l.engine.(prober)
	if !ok {
		return
	}
	tick := time.NewTicker(probeInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.probeRound(ctx, p)
		case <-ctx.Done():
			return
		}
	}
}

func (l *Layer) probeRound(ctx context.Context, p prober) {
	obs := l.seen.Load()
	if obs == nil {
		return
	}
	free := make(chan struct{}, probesAtOnce)
	for _, c := range l.idle(obs) {
		select {
		case free <- struct{}{}:
		case <-ctx.Done():
			return
		}
		go func() {
			defer func() { <-free }()
			wait, err := p.Probe(c, probeWait)
			if err != nil {
				klog.FromContext(ctx).Error(err, "A path that carries no I/O cannot be probed", "controller", c.Name)
				return
			}
			l.awaitProbe(ctx, c, wait)
		}()
	}
}

// awaitProbe notes what came of a probe.
func (l *Layer) awaitProbe(ctx context.Context, c Controller, wait func(context.Context) error) {
	began := l.now()
	err := wait(ctx)
	if ctx.Err() != nil || errors.Is(err, syscall.ENODEV) || errors.Is(err, syscall.EAGAIN) {
		return // it is gone, or not live any more
	}
	result := &Probe{At: began, Took: l.now().Sub(began)}
	switch {
	case errors.Is(err, ErrNoAnswer):
		result.Problem = "no answer within " + probeWait.String()
	case err != nil:
		result.Problem = err.Error()
	}
	l.mu.Lock()
	before := l.probes.last[c.Epoch]
	l.probes.last[c.Epoch] = result
	l.mu.Unlock()
	if news := before == nil && result.Problem != "" || before != nil && (before.Problem == "") != (result.Problem == ""); news {
		klog.FromContext(ctx).Info("A path that carries no I/O was probed", "controller", c.Name, "address", c.Address.String(), "problem", result.Problem)
		l.lookSoon()
	}
}

// idle returns those live controllers of the volumes' that Braid connected, and
// that have completed nothing since it was asked last. What is known of the
// others' probes is forgotten: their I/O proves more.
func (l *Layer) idle(obs *Observation) (idle []Controller) {
	l.mu.Lock()
	defer l.mu.Unlock()
	completed := map[string]uint64{}
	last := map[string]*Probe{}
	for _, v := range l.volumes {
		s := obs.Subsystem(v.SubsystemNQN)
		if s == nil {
			continue
		}
		for _, c := range s.Controllers {
			if _, done := completed[c.Epoch]; done || c.Owner != Owner || c.State != nvme.StateLive {
				continue
			}
			n := s.completed(c.Name)
			was, known := l.probes.completed[c.Epoch]
			completed[c.Epoch] = n
			if known && n == was {
				last[c.Epoch] = l.probes.last[c.Epoch]
				idle = append(idle, c)
			}
		}
	}
	l.probes = probes{last: last, completed: completed}
	return slices.Clip(idle)
}

// completed is how many reads and writes came back through a controller.
func (s *Subsystem) completed(controller string) (n uint64) {
	for i := range s.Heads {
		if p := s.Heads[i].path(controller); p != nil && p.IO != nil {
			n += p.IO.Completed()
		}
	}
	return n
}

// probed enters what is known of idle controllers into a path set.
func (l *Layer) probed(set *PathSet, s *Subsystem) {
	if s == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range set.Paths {
		p := &set.Paths[i]
		if c := s.Controller(p.Controller); c != nil && c.State == nvme.StateLive {
			p.Probe = l.probes.last[c.Epoch]
		}
	}
}
