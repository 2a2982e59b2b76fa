package host

import (
	"context"
	"errors"
	"fmt"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// do executes a command and waits for it. When the context ends first, data
// still belongs to the queue: the caller must let go of it. what names the
// command in errors.
func (q *queue) do(ctx context.Context, what string, cmd nvmetcp.Command, data []byte) (nvmetcp.Completion, error) {
	done := make(chan struct{})
	r := &Request{Command: cmd, Data: data, Done: func(*Request) { close(done) }}
	if !q.submit(r) {
		return nvmetcp.Completion{}, fmt.Errorf("%s: %w", what, q.cause())
	}
	select {
	case <-done:
	case <-q.gone:
		return nvmetcp.Completion{}, fmt.Errorf("%s: %w", what, q.cause())
	case <-ctx.Done():
		return nvmetcp.Completion{}, fmt.Errorf("%s: %w", what, context.Cause(ctx))
	}
	if r.Completion.Status != nvme.StatusSuccess {
		return r.Completion, &StatusError{What: what, Status: r.Completion.Status}
	}
	return r.Completion, nil
}

// cause is why the connection is over.
func (q *queue) cause() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.err
}

// exec executes an admin command, within the admin timeout, and counts it if it
// fails.
func (a *association) exec(ctx context.Context, what string, cmd nvmetcp.Command, data []byte) (nvmetcp.Completion, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, a.cfg.AdminTimeout, fmt.Errorf("not answered within %s", a.cfg.AdminTimeout))
	defer cancel()
	c, err := a.admin.do(ctx, what, cmd, data)
	if _, failed := errors.AsType[*StatusError](err); failed {
		a.adminErrors.Add(1)
	}
	return c, err
}

// association returns that which takes admin commands.
func (c *Controller) association() (*association, error) {
	if a := c.up.Load(); a != nil {
		return a, nil
	}
	return nil, fmt.Errorf("the controller at %s is %s", c.cfg.Address, c.State())
}

// Admin executes an admin command on a controller that is live, or about to be
// (BeforeLive); data is what it reads
// or writes. CID and SGL are set here. The error is a *StatusError if the
// controller says no. Once ctx ends, data is left alone.
func (c *Controller) Admin(ctx context.Context, cmd nvmetcp.Command, data []byte) (nvmetcp.Completion, error) {
	a, err := c.association()
	if err != nil {
		return nvmetcp.Completion{}, err
	}
	// Room is left for what the host itself has to say.
	select {
	case c.adminTurns <- struct{}{}:
		defer func() { <-c.adminTurns }()
	case <-ctx.Done():
		return nvmetcp.Completion{}, ctx.Err()
	}
	mine := append([]byte(nil), data...)
	completion, err := a.exec(ctx, fmt.Sprintf("admin command 0x%02x", uint8(cmd.Opcode)), cmd, mine)
	if _, toHost := direction(&cmd); toHost && err == nil {
		copy(data, mine)
	}
	return completion, err
}

// property reads a property.
func (a *association) property(ctx context.Context, p nvmetcp.Property) (uint64, error) {
	var cmd nvmetcp.Command
	cmd.SetPropertyGet(p)
	c, err := a.exec(ctx, fmt.Sprintf("property get 0x%02x", uint32(p)), cmd, nil)
	return c.Result, err
}

// configure writes CC.
func (a *association) configure(ctx context.Context, value nvmetcp.Configuration) error {
	var cmd nvmetcp.Command
	cmd.SetPropertySet(nvmetcp.PropertyCC, uint64(value))
	_, err := a.exec(ctx, fmt.Sprintf("property set CC 0x%x", uint32(value)), cmd, nil)
	return err
}

// identify reads one of the structures that Identify returns.
func (a *association) identify(ctx context.Context, what nvmetcp.IdentifyID, nsid uint32) ([]byte, error) {
	b := make([]byte, nvmetcp.IdentifySize)
	cmd := nvmetcp.Command{Opcode: nvmetcp.Identify, NSID: nsid, Dwords: [6]uint32{uint32(what)}}
	_, err := a.exec(ctx, fmt.Sprintf("identify 0x%02x, namespace %d", uint8(what), nsid), cmd, b)
	return b, err
}

// readLog reads a part of a log with one command.
func (a *association) readLog(ctx context.Context, r nvmetcp.LogRequest) ([]byte, error) {
	b := make([]byte, r.Length)
	cmd := nvmetcp.Command{Opcode: nvmetcp.GetLogPage, NSID: 0xffffffff}
	cmd.SetLog(r)
	_, err := a.exec(ctx, fmt.Sprintf("log 0x%02x from byte %d", uint8(r.Log), r.Offset), cmd, b)
	return b, err
}
