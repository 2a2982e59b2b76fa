package target

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// Commands is a kind of command that a fault can hit.
type Commands string

// The kinds of commands.
const (
	// AnyIO is every command of the NVM command set.
	AnyIO     Commands = "io"
	Reads     Commands = "read"
	Writes    Commands = "write"
	Flushes   Commands = "flush"
	Zeroes    Commands = "write-zeroes"
	Datasets  Commands = "dataset-management"
	Compares  Commands = "compare"
	AnyAdmin  Commands = "admin"
	Connects  Commands = "connect"
	KeepAlive Commands = "keep-alive"
)

var ioKinds = map[Commands]nvmetcp.Opcode{
	Reads: nvmetcp.Read, Writes: nvmetcp.Write, Flushes: nvmetcp.Flush, Zeroes: nvmetcp.WriteZeroes,
	Datasets: nvmetcp.DatasetManagement, Compares: nvmetcp.Compare,
}

// Fault is something that happens to commands. Exactly one of Status, Delay,
// Hold and Drop is set.
type Fault struct {
	// Port is the port whose commands are hit, 0 for all.
	Port uint16 `json:"port,omitempty"`
	// Commands is which commands are hit, AnyIO by default.
	Commands Commands `json:"commands,omitempty"`
	// Count is how many commands are hit, 0 for all until the fault is cleared.
	Count int64 `json:"count,omitempty"`

	// Status is the answer; the command is not executed.
	Status nvme.Status `json:"status,omitempty"`
	// Delay is how long the command takes. If its connection ends meanwhile, it
	// is not executed.
	Delay Duration `json:"delay,omitempty"`
	// Hold keeps writes (and what else changes data) back without an answer,
	// and applies them this long after their connection has ended.
	Hold *Duration `json:"hold,omitempty"`
	// Drop ends the connection; the command is not executed.
	Drop bool `json:"drop,omitempty"`
}

// FaultID names an injected fault.
type FaultID int

// InjectedFault is a fault as it is now.
type InjectedFault struct {
	ID    FaultID `json:"id"`
	Fault Fault   `json:"fault"`
	// Hits is how many commands it has hit.
	Hits int64 `json:"hits"`
}

// injected is a fault in place.
type injected struct {
	Fault
	id   FaultID
	hits atomic.Int64
}

func (f *Fault) validate() error {
	if f.Commands == "" {
		f.Commands = AnyIO
	}
	_, io := ioKinds[f.Commands]
	io = io || f.Commands == AnyIO
	switch f.Commands {
	case AnyIO, AnyAdmin, Connects, KeepAlive:
	default:
		if !io {
			return fmt.Errorf("commands: %q is not a kind of command", f.Commands)
		}
	}
	set := 0
	for _, is := range []bool{f.Status != 0, f.Delay != 0, f.Hold != nil, f.Drop} {
		if is {
			set++
		}
	}
	switch {
	case f.Count < 0:
		return fmt.Errorf("count: %d is negative", f.Count)
	case set != 1:
		return errors.New("exactly one of status, delay, hold and drop is needed")
	case f.Status > 0x7fff:
		return fmt.Errorf("status: 0x%x is more than 15 bits", uint16(f.Status))
	case !io && (f.Delay != 0 || f.Hold != nil):
		return fmt.Errorf("commands: %s can be answered or dropped only", f.Commands)
	}
	return nil
}

// Inject puts a fault in place. Of several that fit a command, the one that was
// injected first hits it.
func (t *Target) Inject(f Fault) (FaultID, error) {
	if err := f.validate(); err != nil {
		return 0, fmt.Errorf("fault: %w", err)
	}
	if f.Port != 0 {
		if _, err := t.port(f.Port); err != nil {
			return 0, fmt.Errorf("fault: %w", err)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lastFault++
	list := append(slices.Clone(t.injected()), &injected{Fault: f, id: t.lastFault})
	t.faults.Store(&list)
	return t.lastFault, nil
}

// Clear removes a fault; 0 removes all. Commands that it holds stay held.
func (t *Target) Clear(id FaultID) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var rest []*injected
	for _, f := range t.injected() {
		if id != 0 && f.id != id {
			rest = append(rest, f)
		}
	}
	if id != 0 && len(rest) == len(t.injected()) {
		return fmt.Errorf("fault: there is no fault %d", id)
	}
	t.faults.Store(&rest)
	return nil
}

// Faults lists the faults in place, also those that have hit all they were to.
func (t *Target) Faults() []InjectedFault {
	var list []InjectedFault
	for _, f := range t.injected() {
		list = append(list, InjectedFault{ID: f.id, Fault: f.Fault, Hits: f.hits.Load()})
	}
	return list
}

func (t *Target) injected() []*injected {
	if list := t.faults.Load(); list != nil {
		return *list
	}
	return nil
}

// hit returns the fault that hits a command, nil for none.
func (c *conn) hit(cmd *nvmetcp.Command) *injected {
	for _, f := range c.target.injected() {
		if (f.Port == 0 || f.Port == c.port.id) && f.fits(c.queueID, cmd) && f.take() {
			return f
		}
	}
	return nil
}

// fits tells whether the fault is for such a command.
func (f *injected) fits(queue uint16, cmd *nvmetcp.Command) bool {
	if cmd.Opcode == nvmetcp.Fabrics {
		return f.Commands == Connects && cmd.FabricsType() == nvmetcp.Connect
	}
	if f.Hold != nil && (!cmd.Opcode.ChangesData() || queue == 0) {
		return false
	}
	switch f.Commands {
	case AnyAdmin:
		return queue == 0
	case KeepAlive:
		return queue == 0 && cmd.Opcode == nvmetcp.KeepAlive
	case AnyIO:
		return queue != 0
	}
	opcode, ok := ioKinds[f.Commands]
	return ok && queue != 0 && opcode == cmd.Opcode
}

// take counts a hit, unless the fault has had all of its.
func (f *injected) take() bool {
	for {
		n := f.hits.Load()
		if f.Count != 0 && n >= f.Count {
			return false
		}
		if f.hits.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// delay is how long a command that the fault hit takes.
func (f *injected) delay() time.Duration { return time.Duration(f.Delay) }
