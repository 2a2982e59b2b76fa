package rig

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/braid-csi/braid/hack/blockdev"
	"github.com/braid-csi/braid/hack/nvmet"
	"github.com/braid-csi/braid/hack/poll"
	"github.com/braid-csi/braid/hack/storagenet"
)

// Fault is something that may be wrong with a path, other than that it is cut.
type Fault string

// The faults.
const (
	// Silence: everything is lost, both ways, and sockets stay established.
	Silence Fault = "Silence"
	// SilentFlow: everything is lost on one connection, which carries I/O. The
	// others do not notice.
	SilentFlow Fault = "SilentFlow"
	// LargeLost: the large packets that come from the target are lost.
	LargeLost Fault = "LargeLost"
	// Slow: everything takes much longer than on the others, and nothing is lost.
	Slow Fault = "Slow"
	// Detour: the host's interface has failed, and routing finds the target
	// through that of the next path.
	Detour Fault = "Detour"
	// Refused: the target drops the path, and refuses for good (DNR) whoever
	// comes back.
	Refused Fault = "Refused"
)

// slowBy is for how much longer a packet is on its way, to and fro, on a path that
// is Slow. An emulated machine takes some tens of milliseconds for a request.
const slowBy = 200 * time.Millisecond

// Inject brings a fault about.
func (r *Rig) Inject(path int, f Fault) error {
	p := r.Net.Paths[path]
	switch f {
	case Silence:
		return p.Cut()
	case SilentFlow:
		port, err := storagenet.BusiestFlow(r.Addr(path), r.isRead)
		if err != nil {
			return err
		}
		return p.CutFlow(port)
	case LargeLost:
		return p.CutLarge()
	case Slow:
		return p.Degrade(slowBy, 0)
	case Detour:
		return p.Detour(r.next(path))
	case Refused:
		return r.refuse(path)
	}
	return fmt.Errorf("test rig: there is no fault %q", f)
}

// Clear undoes Inject.
func (r *Rig) Clear(path int, f Fault) error {
	p := r.Net.Paths[path]
	switch f {
	case Silence, SilentFlow, LargeLost, Slow:
		return p.Restore()
	case Detour:
		return p.EndDetour(r.next(path))
	case Refused:
		return r.admit(path)
	}
	return fmt.Errorf("test rig: there is no fault %q", f)
}

// isRead waits until there were enough reads of the first namespace for some to
// have come over each path.
func (r *Rig) isRead() error {
	const enough = 64
	before, err := blockdev.Reads(r.Device(0))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return poll.Until(ctx, "reads of "+r.Device(0), func() (bool, error) {
		n, err := blockdev.Reads(r.Device(0))
		return n >= before+enough, err
	})
}

// next is the network path after a path, and after the last one the first.
func (r *Rig) next(path int) *storagenet.Path { return r.Net.Paths[(path+1)%len(r.Net.Paths)] }

// refuse takes the subsystem from a port that goes on serving another one: only
// then does it listen, and answer that there is no such subsystem. A target that
// restarts does so too.
func (r *Rig) refuse(path int) (err error) {
	if r.decoy == nil {
		if r.decoy, err = r.Target.NewSubsystem(nvmet.SubsystemConfig{NQN: r.Subsystem.NQN + ":decoy"}); err != nil {
			return err
		}
	}
	if err := r.Ports[path].Link(r.decoy); err != nil {
		return err
	}
	return r.Cut(path)
}

func (r *Rig) admit(path int) error {
	return errors.Join(r.Repair(path), r.Ports[path].Unlink(r.decoy))
}
