package host

import (
	"context"
	"errors"
	"fmt"

	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// negotiate exchanges ICReq and ICResp, before anything else. The end of the
// context closes the connection.
func (q *queue) negotiate(ctx context.Context, digests nvmetcp.Digests) error {
	stop := context.AfterFunc(ctx, func() { _ = q.conn.Close() })
	defer stop()
	if _, err := q.conn.Write(nvmetcp.AppendInitRequest(nil, nvmetcp.InitRequest{Digests: digests})); err != nil {
		return err
	}
	h, b, err := q.in.Next()
	if err != nil {
		return err
	}
	if h.Type == nvmetcp.C2HTermReq {
		reason, err := nvmetcp.ParseTermReq(b)
		if err != nil {
			return err
		}
		return reason
	}
	if h.Type != nvmetcp.ICResp {
		return fmt.Errorf("%s instead of %s", h.Type, nvmetcp.ICResp)
	}
	r, err := nvmetcp.ParseInitResponse(b)
	if err != nil {
		return err
	}
	if r.Digests != digests {
		return fmt.Errorf("controller wants digests 0x%02x, we 0x%02x", uint8(r.Digests), uint8(digests))
	}
	q.framing = nvmetcp.Framing{Digests: r.Digests, PDA: r.PDA}
	q.in.Framing = nvmetcp.Framing{Digests: r.Digests}
	q.maxData = int(min(r.MaxData&^3, maxData))
	if !stop() {
		return ctx.Err()
	}
	return nil
}

// open opens a connection and makes it a queue of the controller.
func (a *association) open(ctx context.Context, id uint16, size, inCapsule int) (*queue, error) {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.AdminTimeout)
	defer cancel()
	conn, err := a.cfg.Dial(ctx, a.cfg.Address)
	if err != nil {
		return nil, err
	}
	q := newQueue(id, conn, size, inCapsule, func(err error) {
		a.fail(fmt.Errorf("queue %d: %w", id, err))
	})
	if err := q.negotiate(ctx, a.cfg.Digests); err != nil {
		_ = conn.Close() // it is of no use
		if ctx.Err() != nil {
			err = ctx.Err() // which closed the connection
		}
		return nil, fmt.Errorf("%s: %w", nvmetcp.ICReq, err)
	}
	q.start()
	if err := a.connect(ctx, q, size); err != nil {
		q.stop()
		return nil, err
	}
	return q, nil
}

var errAuthentication = errors.New("connect: the controller wants authentication, which is not supported")

// connect is the Connect command. The flow control of submission queues is
// turned off: it tells nothing that the number of commands outstanding does
// not, and without it the data of a read can complete it.
func (a *association) connect(ctx context.Context, q *queue, size int) error {
	r := nvmetcp.ConnectRequest{QueueID: q.id, QueueSize: uint16(size - 1), NoFlowControl: q.id != 0}
	if q.id == 0 && !a.discovery {
		r.KeepAlive = uint32(a.cfg.KeepAlive.Milliseconds())
	}
	data := nvmetcp.ConnectData{
		HostID: a.cfg.HostID, ControllerID: a.controllerID, SubsystemNQN: a.cfg.SubsystemNQN, HostNQN: a.cfg.HostNQN,
	}
	var cmd nvmetcp.Command
	cmd.SetConnect(r)
	c, err := q.do(ctx, "connect", cmd, data.Append(nil))
	if err != nil {
		return err
	}
	id, authenticate := nvmetcp.ParseConnectResult(c.Result)
	switch {
	case authenticate:
		return errAuthentication
	case q.id == 0:
		a.controllerID = id
	case id != a.controllerID:
		return fmt.Errorf("connect: controller 0x%04x answered, not 0x%04x", id, a.controllerID)
	}
	return nil
}
