package host

import (
	"slices"
	"sync"

	"github.com/braid-csi/braid/pkg/nvme"
)

// notification is something that the owner of a controller is told.
type notification struct {
	kind  notificationKind
	state nvme.ControllerState
}

type notificationKind uint8

const (
	stateChanged notificationKind = iota
	anaChanged
	namespacesChanged
)

// notifier tells the owner, on a goroutine of its own.
type notifier struct {
	cfg  *Config
	wake chan struct{}

	mu   sync.Mutex
	list []notification
}

// add adds a notification. A change that was not told of yet is told once.
func (n *notifier) add(x notification) {
	n.mu.Lock()
	if x.kind == stateChanged || !slices.Contains(n.list, x) {
		n.list = append(n.list, x)
	}
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// run tells until the controller is dead, and of that too.
func (n *notifier) run() {
	for range n.wake {
		n.mu.Lock()
		list := n.list
		n.list = nil
		n.mu.Unlock()
		for _, x := range list {
			n.tell(x)
			if x.state == nvme.StateDead {
				return
			}
		}
	}
}

func (n *notifier) tell(x notification) {
	switch {
	case x.kind == stateChanged && n.cfg.StateChanged != nil:
		n.cfg.StateChanged(x.state)
	case x.kind == anaChanged && n.cfg.ANAChanged != nil:
		n.cfg.ANAChanged()
	case x.kind == namespacesChanged && n.cfg.NamespacesChanged != nil:
		n.cfg.NamespacesChanged()
	}
}
