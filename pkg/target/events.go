package target

import (
	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// maxEventRequests is how many Asynchronous Event Requests a host may have
// outstanding.
const maxEventRequests = 4

// notices are the events that the target has, the log in which the host finds
// out about each, and the bit that enables it.
var notices = [...]struct {
	info    nvmetcp.EventInfo
	log     nvmetcp.LogID
	enabled uint32
}{
	{nvmetcp.ANAChanged, nvmetcp.LogANA, nvmetcp.NoticeANA},
	{nvmetcp.NamespacesChanged, nvmetcp.LogChangedNamespaces, nvmetcp.NoticeNamespaces},
	{nvmetcp.DiscoveryChanged, nvmetcp.LogDiscovery, nvmetcp.NoticeDiscovery},
}

// events are the asynchronous events of a controller. One that was sent is not
// sent again until its log was read:
//
//	         it happens                    a request is there
//	quiet ---------------> pending -----------------------------> sent
//	  ^                       |                                    |
//	  |                       | the log is read                    |
//	  +-----------------------+------------------------------------+
type events struct {
	requests []uint16 // CIDs
	config   uint32   // the feature
	// One of each for each notice.
	pending, sent [len(notices)]bool
}

// happen makes an event pending.
func (k *controller) happen(info nvmetcp.EventInfo) {
	k.mu.Lock()
	for i, n := range notices {
		if n.info == info {
			k.events.pending[i] = true
		}
	}
	k.mu.Unlock()
	poke(k.news)
}

// awaitEvent takes an Asynchronous Event Request.
func (k *controller) awaitEvent(cid uint16) nvme.Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.events.requests) >= maxEventRequests {
		return nvme.StatusAsyncEventLimitExceeded | nvme.DNR
	}
	k.events.requests = append(k.events.requests, cid)
	poke(k.news)
	return nvme.StatusSuccess
}

// logRead is called before a log is built: what happened so far is in it.
func (k *controller) logRead(log nvmetcp.LogID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, n := range notices {
		if n.log == log {
			k.events.pending[i], k.events.sent[i] = false, false
		}
	}
}

func (k *controller) setEventConfig(v uint32) {
	k.mu.Lock()
	k.events.config = v
	k.mu.Unlock()
	poke(k.news)
}

func (k *controller) eventConfig() uint32 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.events.config
}

// sendEvents answers requests with what is pending.
func (k *controller) sendEvents() {
	for {
		cid, event, ok := k.nextEvent()
		if !ok {
			return
		}
		if k.admin.completeLater(cid, nvme.StatusSuccess, event.Result()) != nil {
			return // the connection has ended, and with it the controller
		}
	}
}

func (k *controller) nextEvent() (cid uint16, e nvmetcp.Event, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	ev := &k.events
	for i, n := range notices {
		if len(ev.requests) > 0 && ev.pending[i] && !ev.sent[i] && ev.config&n.enabled != 0 {
			cid, ev.requests = ev.requests[0], ev.requests[1:]
			ev.pending[i], ev.sent[i] = false, true
			return cid, nvmetcp.Event{Type: nvmetcp.EventNotice, Info: n.info, Log: n.log}, true
		}
	}
	return 0, e, false
}
