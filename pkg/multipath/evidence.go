package multipath

import (
	"context"
	"time"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/nvme"
)

// Evidence is what is known of a controller at the moment beyond its state. What
// is not known is the zero value.
type Evidence struct {
	// Connections tells whether the far end of its connections answers.
	Connections Connections
	// InFlight is how many requests are on their way through it, nil if that is
	// not known.
	InFlight *int
	// HangsSince is since when none of the requests in flight has come back, which
	// by itself proves nothing; zero if they do, or there are none.
	HangsSince time.Time
	// Requests names the requests in flight that do not come back, in the
	// engine's words; "" if there are none. It stays the same for as long as any
	// of them may be among those in flight on any path of the head.
	Requests string
	// OthersComplete tells that every head with requests in flight here, which
	// hang, has completed some through another controller since they began to.
	OthersComplete bool
}

// Connections is what the network says of a controller's connections.
type Connections string

// What it may say.
const (
	// Unproved: there is no evidence either way.
	Unproved Connections = ""
	// Answering: what was sent was acknowledged.
	Answering Connections = "Answering"
	// Silent: data was sent again and again, and nothing came back.
	Silent Connections = "Silent"
)

// examiner is an engine that knows more of controllers than their state.
type examiner interface {
	// Examine returns what is known of a subsystem's controllers, by their names.
	// It is quick, and asks neither a device nor a target.
	Examine(context.Context, *Subsystem) (map[string]Evidence, error)
}

// Evidence returns what is known of a subsystem's controllers at the moment, by
// their names. Of one that is absent nothing is known.
func (l *Layer) Evidence(ctx context.Context, s *Subsystem) map[string]Evidence {
	x, ok := l.engine.(examiner)
	if !ok || s == nil {
		return nil
	}
	evidence, err := x.Examine(ctx, s)
	if err != nil {
		klog.FromContext(ctx).Error(err, "There is no evidence about controllers", "subsystemNQN", s.NQN)
	}
	return evidence
}

// Subsystem returns what was last seen of a subsystem, whosever its controllers
// and namespaces are; nil if there is none. Readers share it.
func (l *Layer) Subsystem(nqn nvme.NQN) *Subsystem {
	obs := l.seen.Load()
	if obs == nil {
		return nil
	}
	return obs.Subsystem(nqn)
}
