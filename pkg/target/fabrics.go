package target

import (
	"errors"
	"time"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// readyTimeout is CAP.TO, in units of 500 ms; a controller is ready at once.
const readyTimeout = 15

// fabrics executes a fabrics command. The first on a connection is Connect.
func (c *conn) fabrics(cmd *nvmetcp.Command) error {
	kind := cmd.FabricsType()
	switch {
	case kind == nvmetcp.Connect && c.controller == nil:
		return c.connect(cmd)
	case c.controller == nil, kind == nvmetcp.Connect:
		return c.complete(cmd.CID, nvme.StatusCommandSequenceError|nvme.DNR, 0)
	case kind == nvmetcp.Disconnect && c.queueID != 0:
		return c.complete(cmd.CID, nvme.StatusSuccess, 0) // the host closes
	case c.queueID != 0:
		return c.complete(cmd.CID, nvme.StatusInvalidField|nvme.DNR, 0)
	}
	p, value, ok := cmd.Property()
	switch {
	case kind == nvmetcp.PropertyGet && ok:
		return c.complete(cmd.CID, nvme.StatusSuccess, c.controller.property(p))
	case kind == nvmetcp.PropertySet && ok && p == nvmetcp.PropertyCC:
		c.controller.configure(nvmetcp.Configuration(value))
		return c.complete(cmd.CID, nvme.StatusSuccess, 0)
	case kind == nvmetcp.PropertyGet, kind == nvmetcp.PropertySet:
		return c.complete(cmd.CID, nvme.StatusInvalidField|nvme.DNR, 0)
	}
	return c.complete(cmd.CID, nvme.StatusInvalidOpcode|nvme.DNR, 0)
}

// refusal is why a Connect fails.
type refusal struct {
	status nvme.Status
	result uint64
}

func badField(offset uint16, inData bool) *refusal {
	return &refusal{nvme.StatusConnectInvalidParameters | nvme.DNR, nvmetcp.InvalidParameter(offset, inData)}
}

// connect makes the connection a queue.
func (c *conn) connect(cmd *nvmetcp.Command) error {
	r := cmd.Connect()
	data, refused, err := c.connectData(cmd)
	if err != nil {
		return err
	}
	if refused == nil {
		refused = checkConnect(r)
	}
	if refused == nil {
		if r.QueueID == 0 {
			refused = c.connectAdmin(r, data)
		} else {
			refused = c.connectIO(r, data)
		}
	}
	if refused != nil {
		klog.FromContext(c.target.ctx).Info("Connect refused", "port", c.port.id, "host", c.flow.socket.RemoteAddr(),
			"subsystem", data.SubsystemNQN, "queue", r.QueueID, "status", refused.status)
		return c.complete(cmd.CID, refused.status, refused.result)
	}
	if err := c.flow.socket.SetDeadline(time.Time{}); err != nil {
		return err
	}
	c.mu.Lock()
	c.slots.init(int(c.size))
	c.mu.Unlock()
	c.identity.Store(int32(c.queueID)) // after all else that others look at
	c.fetched()
	return c.complete(cmd.CID, nvme.StatusSuccess, nvmetcp.ConnectResult(c.controller.id))
}

// connectData is the data of a Connect, which is in its capsule.
func (c *conn) connectData(cmd *nvmetcp.Command) (d nvmetcp.ConnectData, refused *refusal, err error) {
	if cmd.SGL.Type != nvmetcp.SGLInCapsule || c.in.DataLength() < nvmetcp.ConnectDataSize {
		return d, &refusal{status: nvme.StatusSGLDataLengthInvalid | nvme.DNR}, nil
	}
	b, err := c.in.Data()
	if isDamage(err) {
		return d, &refusal{status: nvme.StatusTransientTransport}, nil
	}
	if err != nil {
		return d, nil, err
	}
	d, err = nvmetcp.ParseConnectData(b)
	if bad, ok := errors.AsType[*nvmetcp.ConnectError](err); ok {
		return d, badField(bad.Offset, true), nil
	}
	return d, nil, err
}

// checkConnect checks what can be wrong with either kind of queue.
func checkConnect(r nvmetcp.ConnectRequest) *refusal {
	switch {
	case r.Format != 0:
		return &refusal{status: nvme.StatusConnectIncompatible | nvme.DNR}
	case r.QueueSize == 0, r.QueueSize >= maxQueueSize:
		return badField(nvmetcp.ConnectAtQueueSize, false)
	}
	return nil
}

// connectAdmin makes a controller.
func (c *conn) connectAdmin(r nvmetcp.ConnectRequest, d nvmetcp.ConnectData) *refusal {
	s := c.target.subsystems[d.SubsystemNQN]
	switch {
	case s == nil:
		return badField(nvmetcp.ConnectAtSubsystemNQN, true)
	case d.ControllerID != nvmetcp.DynamicController:
		return badField(nvmetcp.ConnectAtControllerID, true)
	}
	k := newController(s, c, d, time.Duration(r.KeepAlive)*time.Millisecond)
	if !s.add(k) {
		return &refusal{status: nvme.StatusConnectControllerBusy}
	}
	c.controller = k
	c.accept(r)
	c.async.Go(k.watch)
	c.async.Go(k.report)
	klog.FromContext(c.target.ctx).V(1).Info("Controller connected", "controller", k, "port", c.port.id, "host", d.HostNQN)
	return nil
}

// connectIO adds a queue to a controller of the same host.
func (c *conn) connectIO(r nvmetcp.ConnectRequest, d nvmetcp.ConnectData) *refusal {
	s := c.target.subsystems[d.SubsystemNQN]
	if s == nil || s.discovery {
		return badField(nvmetcp.ConnectAtSubsystemNQN, true)
	}
	k := s.controller(d.ControllerID)
	switch {
	case k == nil:
		// It may have ended a moment ago. Without DNR: Linux would give the
		// path up for good, where connecting anew is all that is needed.
		return &refusal{nvme.StatusConnectInvalidParameters, nvmetcp.InvalidParameter(nvmetcp.ConnectAtControllerID, true)}
	case k.port != c.port:
		return badField(nvmetcp.ConnectAtControllerID, true)
	case k.hostNQN != d.HostNQN || k.hostID != d.HostID:
		return &refusal{status: nvme.StatusConnectInvalidHost | nvme.DNR}
	case r.QueueID > maxIOQueues || !k.join(r.QueueID, c):
		return badField(nvmetcp.ConnectAtQueueID, false)
	}
	c.controller = k
	c.accept(r)
	return nil
}

// accept takes over what the host asked for.
func (c *conn) accept(r nvmetcp.ConnectRequest) {
	c.queueID, c.size, c.flowControl = r.QueueID, r.QueueSize+1, !r.NoFlowControl
}
