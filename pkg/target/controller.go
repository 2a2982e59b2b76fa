package target

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// errKeepAlive ends a controller whose host was not heard of for KATO.
var errKeepAlive = errors.New("keep alive timeout")

// controller is what a host talks to on one port: an admin queue, which is also
// its life, and I/O queues.
type controller struct {
	subsystem *subsystem
	port      *port
	id        uint16
	hostNQN   nvme.NQN
	hostID    [16]byte
	admin     *conn
	traffic   atomic.Bool   // a command came since somebody looked
	rearm     chan struct{} // another KATO, or another state, for watch
	news      chan struct{} // an event or a request for one, for report
	ended     chan struct{}

	mu       sync.Mutex // guards what follows
	config   nvmetcp.Configuration
	status   nvmetcp.ControllerStatus
	queues   map[uint16]*conn // the I/O queues
	gone     bool
	kato     time.Duration
	lastSign time.Time // of the host, for the keep alive
	events   events
}

func newController(s *subsystem, admin *conn, d nvmetcp.ConnectData, kato time.Duration) *controller {
	return &controller{
		subsystem: s, port: admin.port, hostNQN: d.HostNQN, hostID: d.HostID, admin: admin,
		rearm: make(chan struct{}, 1), news: make(chan struct{}, 1), ended: make(chan struct{}), queues: map[uint16]*conn{},
		kato: kato,
	}
}

// watch ends the controller when its host is not heard of any more.
func (k *controller) watch() {
	for {
		var expired <-chan time.Time
		if wait, armed := k.patience(); armed {
			if wait <= 0 {
				klog.FromContext(k.port.target.ctx).Info("Controller lost its host", "controller", k, "err", errKeepAlive)
				k.end()
				return
			}
			expired = time.After(wait)
		}
		select {
		case <-k.ended:
			return
		case <-expired:
		case <-k.rearm:
		}
	}
}

// report sends events until the controller ends. It is apart from watch, for a
// host that does not read makes it wait.
func (k *controller) report() {
	for {
		select {
		case <-k.ended:
			return
		case <-k.news:
			k.sendEvents()
		}
	}
}

// patience is for how long the host may still be silent.
func (k *controller) patience() (wait time.Duration, armed bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	// The timer runs while the controller is ready (Base Specification 2.1,
	// section 3.9): a host may take its time to get there.
	if k.kato == 0 || k.status&nvmetcp.ControllerReady == 0 {
		return 0, false
	}
	wait = time.Until(k.lastSign.Add(k.kato))
	// With TBKAS the timer starts anew when it expires after traffic.
	if wait <= 0 && k.subsystem.traffic && k.traffic.Swap(false) {
		k.lastSign = time.Now()
		wait = k.kato
	}
	return wait, true
}

// keepAlive is a Keep Alive command.
func (k *controller) keepAlive() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lastSign = time.Now()
}

func (k *controller) setKATO(d time.Duration) {
	k.mu.Lock()
	k.kato, k.lastSign = d, time.Now()
	k.mu.Unlock()
	poke(k.rearm)
}

// poke makes whoever waits look again.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// end takes the controller down with all its queues. Nobody waits for them.
func (k *controller) end() {
	k.mu.Lock()
	if k.gone {
		k.mu.Unlock()
		return
	}
	k.gone = true
	close(k.ended)
	queues := k.queues
	k.queues = nil
	k.mu.Unlock()
	k.subsystem.remove(k)
	end(append(slices.Collect(maps.Values(queues)), k.admin)...)
}

// join adds an I/O queue; ok is false if there is one of that ID already or the
// controller takes none.
func (k *controller) join(queue uint16, c *conn) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.gone || k.queues[queue] != nil || k.status&nvmetcp.ControllerReady == 0 {
		return false
	}
	k.queues[queue] = c
	return true
}

// leave removes an I/O queue. The controller goes on: what it means that a
// queue is gone is for the host to judge.
func (k *controller) leave(c *conn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.queues[c.queueID] == c {
		delete(k.queues, c.queueID)
	}
}

// property reads a property.
func (k *controller) property(p nvmetcp.Property) uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch p {
	case nvmetcp.PropertyCAP:
		return nvmetcp.Capabilities{MaxQueueEntries: maxQueueSize - 1, Timeout: readyTimeout}.Value()
	case nvmetcp.PropertyVS:
		return uint64(nvmetcp.Version14)
	case nvmetcp.PropertyCC:
		return uint64(k.config)
	}
	return uint64(k.status)
}

// configure writes CC: the controller starts, shuts down or is reset.
func (k *controller) configure(c nvmetcp.Configuration) {
	k.mu.Lock()
	var queues map[uint16]*conn
	was := k.config
	k.config = c
	switch {
	case c.Enabled() && !was.Enabled() && c.Valid():
		k.status = nvmetcp.ControllerReady
		k.lastSign = time.Now()
	case c.Enabled() && !was.Enabled():
		k.status = nvmetcp.ControllerFatal
	case !c.Enabled() && was.Enabled():
		k.status = 0
		queues, k.queues = k.queues, map[uint16]*conn{}
	}
	if c.Shutdown() && !was.Shutdown() {
		k.status |= nvmetcp.ControllerShutdown
	}
	k.mu.Unlock()
	poke(k.rearm)
	end(slices.Collect(maps.Values(queues))...)
}

func (k *controller) ready() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.status&nvmetcp.ControllerReady != 0
}

func (k *controller) String() string { return fmt.Sprintf("%s controller %d", k.subsystem.nqn, k.id) }
