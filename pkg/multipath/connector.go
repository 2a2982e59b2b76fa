package multipath

import (
	"context"
	"errors"
	"math/rand/v2"
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
// the options of the first volume that wants each.
func missing(volumes map[string]*staged, obs *Observation) map[way]ConnectOptions {
	want := map[way]ConnectOptions{}
	for _, v := range volumes {
		if v.releasing {
			continue
		}
		for _, p := range pair(v.Addresses, obs.Subsystem(v.SubsystemNQN)) {
			if p.controller == nil {
				want[way{v.SubsystemNQN, p.address}] = v.Connect
			}
		}
	}
	return want
}

// connectMissing starts an attempt for every way that is missing and due, and
// forgets the failures of those that are there.
func (l *Layer) connectMissing(ctx context.Context, obs *Observation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	want := missing(l.volumes, obs)
	for w, a := range l.attempts {
		if _, ok := want[w]; !ok && !a.running() {
			delete(l.attempts, w)
		}
	}
	now := l.now()
	for w, options := range want {
		a := l.attempts[w]
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

// ended notes how an attempt went. A controller that came up after everybody
// lost interest is taken down again.
func (l *Layer) ended(ctx context.Context, w way, a *attempt, name string, err error) {
	log := klog.FromContext(ctx).WithValues("subsystemNQN", w.nqn, "address", w.address.String())
	l.mu.Lock()
	wanted := l.wants(w)
	if err != nil && !errors.Is(err, syscall.EALREADY) {
		a.failures++
		a.last = err
		a.next = l.now().Add(backoff(a.failures))
	} else {
		a.failures, a.last = 0, nil
		// The kernel has it; until the next look shows that, do not ask again.
		a.next = l.now().Add(firstBackoff)
	}
	first := a.failures == 1
	l.mu.Unlock()

	switch {
	case err != nil && ctx.Err() != nil: // nobody wants to know
	case err != nil && first:
		log.Info("Path cannot be connected; trying again in the background", "err", err)
	case err != nil:
		log.V(2).Info("Path still cannot be connected", "err", err, "failures", a.failures)
	default:
		log.Info("Path connected", "controller", name)
		if !wanted && name != "" {
			go l.disconnectUnwanted(context.WithoutCancel(ctx), w, name)
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
		for _, address := range v.Addresses {
			if address == w.address {
				return true
			}
		}
	}
	return false
}

// disconnectUnwanted takes down what an abandoned attempt has connected,
// unless it is wanted by now.
func (l *Layer) disconnectUnwanted(ctx context.Context, w way, name string) {
	log := klog.FromContext(ctx)
	unlock, err := l.subsystems.lock(ctx, w.nqn)
	if err != nil {
		return // cannot be: ctx does not end
	}
	defer unlock()
	l.mu.Lock()
	wanted := l.wants(w)
	l.mu.Unlock()
	if wanted {
		return
	}
	obs, err := l.engine.Observe(ctx)
	if err != nil {
		log.Error(err, "A controller that nobody wants stays", "controller", name)
		return
	}
	if s := obs.Subsystem(w.nqn); s != nil && s.Controller(name) != nil {
		if err := l.engine.Disconnect(ctx, *s.Controller(name)); err != nil {
			log.Error(err, "A controller that nobody wants stays", "controller", name)
		}
	}
}

// cancelAttempts ends the attempts for ways of a subsystem that nobody wants
// any more and waits for those that can be ended: the kernel's part cannot.
func (l *Layer) cancelAttempts(nqn nvme.NQN) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for w, a := range l.attempts {
		if w.nqn == nqn && !l.wants(w) {
			a.cancel()
		}
	}
}

// backoff returns the pause after the n-th failure, a fifth more or less so
// that the nodes of a cluster do not knock all at once.
func backoff(n int) time.Duration {
	d := lastBackoff
	if n < 6 { // 1 s << 5 is more than the last
		d = min(firstBackoff<<(n-1), lastBackoff)
	}
	return d - d/5 + rand.N(2*d/5)
}
