package multipath

import (
	"context"
	"time"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/nvme"
)

// timeoutPause is the time between two attempts to give a path its timeout.
const timeoutPause = 30 * time.Second

// setTimeouts gives the paths that Braid connected the I/O timeout that their
// volume asks for. The kernel forgets it with the path's disk, so it is looked
// after for as long as the volume is there. Nobody waits for it: the kernel may
// wait for requests in flight first (Linux 6.12, queue_attr_store).
func (l *Layer) setTimeouts(ctx context.Context, volumes []*staged, obs *Observation) {
	for _, v := range volumes {
		s := obs.Subsystem(v.SubsystemNQN)
		head, _ := find(v, s)
		if v.releasing || v.Connect.IOTimeout == 0 || head == nil {
			continue
		}
		for _, p := range head.Paths {
			c := s.Controller(p.Controller)
			if c == nil || c.Owner != Owner || c.State != nvme.StateLive || p.IOTimeout == 0 || p.IOTimeout == v.Connect.IOTimeout || !l.due(p.Epoch, obs) {
				continue
			}
			l.setTimeout(klog.FromContext(ctx), *c, p, v.Connect.IOTimeout)
		}
	}
}

func (l *Layer) setTimeout(log klog.Logger, c Controller, p HeadPath, to time.Duration) {
	log = log.WithValues("path", p.Name, "controller", c.Name, "ioTimeout", to)
	wait, err := l.engine.SetIOTimeout(c, p, to)
	if err != nil {
		log.Error(err, "A path keeps its I/O timeout")
		return
	}
	go func() {
		if err := wait(l.background); err != nil {
			log.Error(err, "A path keeps its I/O timeout")
			return
		}
		log.Info("I/O timeout set")
	}()
}

// due tells whether a path may be given its timeout again, and notes that it is.
func (l *Layer) due(epoch string, obs *Observation) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for known := range l.timeouts {
		if !obs.hasPath(known) {
			delete(l.timeouts, known)
		}
	}
	if last, tried := l.timeouts[epoch]; tried && obs.At.Sub(last) < timeoutPause {
		return false
	}
	l.timeouts[epoch] = obs.At
	return true
}

// hasPath tells whether a path of that epoch was seen.
func (o *Observation) hasPath(epoch string) bool {
	for i := range o.Subsystems {
		for j := range o.Subsystems[i].Heads {
			for _, p := range o.Subsystems[i].Heads[j].Paths {
				if p.Epoch == epoch {
					return true
				}
			}
		}
	}
	return false
}
