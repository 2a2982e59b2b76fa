package multipath

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/nvme"
)

// The pause after a failed attempt doubles from the first to the last.
const (
	firstBackoff = time.Second
	lastBackoff  = 30 * time.Second
)

// way is one path to a subsystem, whichever volumes want it.
type way struct {
	nqn     nvme.NQN
	address nvme.TransportID
}

// attempt is the connecting of a way: running, or waiting to try again.
type attempt struct {
	// done is closed when the running attempt ends; cancel ends its dial.
	done   chan struct{}
	cancel context.CancelFunc
	// failures since the way was last there, and what the last one was.
	failures int
	last     error
	next     time.Time
	// since is when the way was found present; zero while it is missing.
	since time.Time
}

func (a *attempt) running() bool {
	select {
	case <-a.done:
		return false
	default:
		return true
	}
}

// missing returns the ways that volumes want and no controller serves, with
// the options of the first volume that wants each. One under maintenance, or on the
// bench, is wanted only in need: by a volume to which no other way leads.
func missing(volumes map[string]*staged, obs *Observation, maintained map[nvme.TransportID]Maintenance, out benched) map[way]ConnectOptions {
	want := map[way]ConnectOptions{}
	for _, v := range volumes {
		if v.releasing {
			continue
		}
		rests := func(w served) bool {
			m := maintenanceOf(maintained, w.address)
			_, benched := out[way{v.SubsystemNQN, w.address}]
			return benched || m != nil && !m.Returning
		}
		ways := pair(v.expected(), obs.Subsystem(v.SubsystemNQN))
		need := !slices.ContainsFunc(ways, func(w served) bool {
			leads := w.controller != nil && w.controller.State == nvme.StateLive
			return !rests(w) && (leads || v.Head.Epoch == "") // while it is staged, it may yet
		})
		for _, p := range ways {
			if p.controller == nil && (need || !rests(p)) {
				want[way{v.SubsystemNQN, p.address}] = v.Connect
			}
		}
	}
	return want
}

// connectMissing starts an attempt for every way that is missing and due. The
// failures of a way are forgotten once it has been there for a while: a target
// that accepts and then throws out must not be asked twice a second.
func (l *Layer) connectMissing(ctx context.Context, obs *Observation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	want := missing(l.volumes, obs, l.maintained, l.benched)
	now := l.now()
	for w, a := range l.attempts {
		if _, ok := want[w]; ok || a.running() {
			continue
		}
		switch {
		case a.since.IsZero():
			a.since, a.last = now, nil
		case now.Sub(a.since) > lastBackoff:
			delete(l.attempts, w)
		}
	}
	for w, options := range want {
		a := l.attempts[w]
		if a != nil && !a.running() && !a.since.IsZero() { // it was there, but not for long
			a.since = time.Time{}
			a.failures++
			a.next = now.Add(backoff(a.failures, firstBackoff, lastBackoff))
		}
		if a != nil && (a.running() || now.Before(a.next)) {
			continue
		}
		if a == nil {
			a = &attempt{}
			l.attempts[w] = a
		}
		l.begin(klog.FromContext(ctx), w, a, options)
	}
}

// begin connects a way in the background. Called with the state lock held.
func (l *Layer) begin(log klog.Logger, w way, a *attempt, options ConnectOptions) {
	ctx, cancel := context.WithCancel(klog.NewContext(l.background, log))
	done := make(chan struct{})
	a.done, a.cancel = done, cancel
	go func() { // not waited for at the end: it may hang in the kernel
		defer cancel()
		name, err := l.engine.Connect(ctx, w.nqn, w.address, options)
		l.ended(ctx, w, a, name, err)
		close(done)
		l.lookSoon()
	}()
}

// ended notes how an attempt went.
func (l *Layer) ended(ctx context.Context, w way, a *attempt, name string, err error) {
	log := klog.FromContext(ctx).WithValues("subsystemNQN", w.nqn, "address", w.address.String())
	l.mu.Lock()
	wanted := l.wants(w)
	if err != nil && !errors.Is(err, syscall.EALREADY) {
		a.failures++
		a.last = err
		a.next = l.now().Add(backoff(a.failures, firstBackoff, lastBackoff))
	} else {
		// The kernel has it; until the next look shows that, do not ask again.
		a.last, a.next = nil, l.now().Add(firstBackoff)
	}
	first := a.failures == 1
	l.mu.Unlock()
	if errors.Is(err, syscall.EINVAL) {
		ask(l.litter) // a controller that nobody expects may be in the way
	}

	switch {
	case err != nil && ctx.Err() != nil: // nobody wants to know
	case err != nil && first:
		log.Info("Path cannot be connected; trying again in the background", "err", err)
	case err != nil:
		log.V(2).Info("Path still cannot be connected", "err", err, "failures", a.failures)
	default:
		log.Info("Path connected", "controller", name)
		if !wanted {
			ask(l.litter) // it came up after everybody had lost interest
		}
	}
}

// wants tells whether a volume asks for the way. Called with the state lock
// held.
func (l *Layer) wants(w way) bool {
	for _, v := range l.volumes {
		if v.SubsystemNQN != w.nqn || v.releasing {
			continue
		}
		if slices.Contains(v.expected(), w.address) {
			return true
		}
	}
	return false
}

// cancelAttempts ends the running attempts for those ways of a subsystem that are
// over, which is asked with the state lock held, and returns what is closed as
// each ends: a dial does at once, the kernel's part when the kernel is done.
func (l *Layer) cancelAttempts(nqn nvme.NQN, over func(way) bool) (ended []<-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for w, a := range l.attempts {
		if w.nqn == nqn && a.running() && over(w) {
			a.cancel()
			ended = append(ended, a.done)
		}
	}
	return ended
}

// backoff returns the pause after the n-th failure, which doubles from the first
// to the last: a fifth more or less, so that the nodes of a cluster do not knock
// all at once.
func backoff(n int, first, last time.Duration) time.Duration {
	d := min(first<<min(n-1, 10), last)
	return d - d/5 + rand.N(2*d/5)
}
