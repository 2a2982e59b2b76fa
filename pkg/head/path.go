package head

import (
	"fmt"
	"sync/atomic"

	"github.com/braid-csi/braid/pkg/host"
	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// link is the controller of a path, as I/O sees it.
type link interface {
	Submit(r *host.Request, hint uint)
	State() nvme.ControllerState
	Available() bool
	Identify() nvmetcp.IdentifyController
}

// Path is a way of a head: a namespace as one controller has it.
type Path struct {
	link    link
	address nvme.TransportID
	node    int // NUMA node of the controller
	// suspect is told of the status of each request that fails over.
	suspect func(nvme.Status)
	// inFlight counts the requests on the controller, of all its paths: that is
	// what the policy queue-depth compares, as Linux does.
	inFlight *atomic.Int64

	rank                       atomic.Int32
	outstanding                atomic.Int64 // requests on this path
	failovers, retries, errors atomic.Uint64

	// Guarded by the lock of the subsystem.
	head        *Head
	ana         nvme.ANAState
	pending     bool // what is known is to be read again before the path is used
	blocks      uint64
	maxTransfer uint64 // in bytes
}

// refresh works out the rank anew. The lock of the subsystem is held.
func (p *Path) refresh() { p.rank.Store(int32(rankOf(p.link.State(), p.ana, p.pending))) }

// Address is the address of the path's controller.
func (p *Path) Address() nvme.TransportID { return p.address }

// Counters are those of the path: nvme.Failovers, nvme.Retries, nvme.Errors,
// with the meaning that they have in Linux 7.2.
func (p *Path) Counters() nvme.Counters {
	return nvme.Counters{nvme.Failovers: p.failovers.Load(), nvme.Retries: p.retries.Load(), nvme.Errors: p.errors.Load()}
}

// SetCounter sets a counter of the path. What is counted meanwhile is lost, as
// with a write to the kernel's attribute.
func (p *Path) SetCounter(c nvme.Counter, value uint64) error {
	switch c {
	case nvme.Failovers:
		p.failovers.Store(value)
	case nvme.Retries:
		p.retries.Store(value)
	case nvme.Errors:
		p.errors.Store(value)
	default:
		return fmt.Errorf("counter: a path has no %q", c)
	}
	return nil
}
