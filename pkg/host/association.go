package host

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

const (
	// adminQueueSize is that of Linux (NVME_AQ_DEPTH), maxAdminTurns how many of
	// its commands may be the owner's.
	adminQueueSize = 32
	maxAdminTurns  = 16
	// adminInCapsule is the most data in a capsule on an admin queue (TCP
	// Transport Specification 1.1, section 3.3.2).
	adminInCapsule = 8 << 10
	// maxAborts bounds aborts whatever the controller takes (ACL).
	maxAborts = 8
)

// association is one life of a controller: its queues, from Connect to the end.
type association struct {
	cfg          *Config
	log          klog.Logger
	adminErrors  *atomic.Uint64
	discovery    bool // no I/O queues, no keep alive
	controllerID uint16
	caps         nvmetcp.Capabilities
	id           nvmetcp.IdentifyController
	admin        *queue
	io           []*queue
	aborts       chan struct{}
	running      sync.WaitGroup

	once  sync.Once
	err   error // why it ended
	ended chan struct{}
}

// fail ends the association; who serves it takes it apart.
func (a *association) fail(err error) {
	a.once.Do(func() {
		a.err = err
		close(a.ended)
	})
}

// associate connects a controller, with nio I/O queues or as many fewer as the
// controller gives, 0 for discovery. An association that fails is taken apart.
func associate(ctx context.Context, cfg *Config, nio int, adminErrors *atomic.Uint64) (*association, error) {
	a := &association{
		cfg: cfg, log: klog.FromContext(ctx), adminErrors: adminErrors,
		discovery: nio == 0, controllerID: nvmetcp.DynamicController, ended: make(chan struct{}),
	}
	if err := a.setUp(ctx, nio); err != nil {
		a.fail(err)
		a.stop()
		a.giveBack(time.Time{}) // no I/O command was sent
		return nil, err
	}
	return a, nil
}

func (a *association) setUp(ctx context.Context, nio int) (err error) {
	if a.admin, err = a.open(ctx, 0, adminQueueSize, adminInCapsule); err != nil {
		return fmt.Errorf("admin queue: %w", err)
	}
	if err := a.enable(ctx); err != nil {
		return err
	}
	if err := a.identifyController(ctx); err != nil || a.discovery {
		return err
	}
	a.aborts = make(chan struct{}, min(int(a.id.AbortLimit)+1, maxAborts))
	if nio, err = a.numberOfQueues(ctx, nio); err != nil {
		return err
	}
	size := min(a.cfg.QueueSize, int(a.caps.MaxQueueEntries)+1)
	if a.id.MaxCommands > 1 {
		size = min(size, int(a.id.MaxCommands))
	}
	for id := 1; id <= nio; id++ {
		q, err := a.open(ctx, uint16(id), size, a.id.InCapsule())
		if err != nil {
			return fmt.Errorf("queue %d: %w", id, err)
		}
		a.io = append(a.io, q)
	}
	return a.enableEvents(ctx)
}

// enable starts the controller.
func (a *association) enable(ctx context.Context) error {
	v, err := a.property(ctx, nvmetcp.PropertyCAP)
	if err != nil {
		return err
	}
	a.caps = nvmetcp.ParseCapabilities(v)
	if a.caps.MaxQueueEntries == 0 {
		return errors.New("CAP.MQES is 0")
	}
	if err := a.configure(ctx, nvmetcp.EnableConfiguration); err != nil {
		return err
	}
	const unit = 500 * time.Millisecond // of CAP.TO
	return a.await(ctx, "ready", nvmetcp.ControllerReady, nvmetcp.ControllerReady, time.Duration(a.caps.Timeout+1)*unit)
}

// await polls CSTS until the bits of mask are as wanted.
func (a *association) await(ctx context.Context, what string, mask, want nvmetcp.ControllerStatus, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		v, err := a.property(ctx, nvmetcp.PropertyCSTS)
		if err != nil {
			return err
		}
		switch status := nvmetcp.ControllerStatus(v); {
		case status&mask == want:
			return nil
		case status&nvmetcp.ControllerFatal != 0:
			return fmt.Errorf("CSTS 0x%x: controller fatal status", v)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("controller did not become %s within %s", what, timeout)
		case <-ticker.C:
		}
	}
}

func (a *association) identifyController(ctx context.Context) error {
	b, err := a.identify(ctx, nvmetcp.IdentifyControllerID, 0)
	if err != nil {
		return err
	}
	if a.id, err = nvmetcp.ParseIdentifyController(b); err != nil {
		return err
	}
	switch {
	case a.id.SubsystemNQN != a.cfg.SubsystemNQN && !a.discovery: // which may have a name of its own (TP8013)
		return fmt.Errorf("controller is of %s, not of %s", a.id.SubsystemNQN, a.cfg.SubsystemNQN)
	case a.id.ControllerID != a.controllerID:
		return fmt.Errorf("identify says controller 0x%04x, connect 0x%04x", a.id.ControllerID, a.controllerID)
	case a.id.InCapsule() > maxInCapsule:
		return fmt.Errorf("IOCCSZ %d: more than %d bytes in a capsule", a.id.CapsuleCommandSize, maxInCapsule)
	}
	return nil
}

// numberOfQueues asks for n I/O queues, and returns how many there can be.
func (a *association) numberOfQueues(ctx context.Context, n int) (int, error) {
	if t := a.id.Type; t != nvmetcp.IOController && t != nvmetcp.ControllerTypeUnknown {
		return 0, fmt.Errorf("controller type %d has no I/O queues", t)
	}
	want := uint32(n - 1)
	cmd := nvmetcp.Command{Opcode: nvmetcp.SetFeatures, Dwords: [6]uint32{uint32(nvmetcp.FeatureNumberOfQueues), want | want<<16}}
	c, err := a.exec(ctx, "number of queues", cmd, nil)
	if err != nil {
		return 0, err
	}
	return min(n, int(c.Result&0xffff)+1, int(c.Result>>16&0xffff)+1), nil
}

// serve begins what a live association has beside its queues.
func (a *association) serve(notify func(notification)) {
	a.running.Go(a.watch)
	a.running.Go(a.keepAlive)
	if a.id.Events&notices != 0 {
		a.running.Go(func() { a.events(notify) })
	}
}

// stop ends all queues. Nobody touches data of their requests any more.
func (a *association) stop() {
	a.fail(errEnded)
	for _, q := range a.queues() {
		q.stop()
	}
}

// giveBack ends the requests of a stopped association.
func (a *association) giveBack(inDoubtUntil time.Time) {
	for _, q := range a.queues() {
		sent, unsent := q.takeBack()
		for r := sent.pop(); r != nil; r = sent.pop() {
			r.end(nvme.StatusHostAborted, inDoubtUntil)
		}
		for r := unsent.pop(); r != nil; r = unsent.pop() {
			r.end(nvme.StatusHostPathError, time.Time{})
		}
	}
	a.running.Wait()
}

func (a *association) queues() []*queue {
	if a.admin == nil {
		return a.io
	}
	return append([]*queue{a.admin}, a.io...)
}

// halt has the controller stop, by CC, if its admin queue still works.
func (a *association) halt(ctx context.Context, timeout time.Duration, cc nvmetcp.Configuration, mask, want nvmetcp.ControllerStatus) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := a.configure(ctx, cc); err != nil {
		return err
	}
	return a.await(ctx, "stopped", mask, want, timeout)
}

// disabled is the CC that stops a controller.
const disabled = nvmetcp.EnableConfiguration &^ 1

// maxTransfer is the most data of a command, in bytes.
func (a *association) maxTransfer() int {
	shift := uint(a.id.MaxTransfer) + 12 + uint(a.caps.MinPageSize)
	if a.id.MaxTransfer == 0 || shift > 30 {
		return math.MaxInt32
	}
	return 1 << shift
}
