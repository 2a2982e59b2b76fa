package target

import (
	"sync"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// effects is a connection's right to change what is stored. It is withdrawn
// before the host can learn that the connection has ended.
type effects struct {
	mu        sync.RWMutex // held shared while a command takes effect
	withdrawn bool
}

// execute executes a command, unless the right was withdrawn.
func (e *effects) execute(ns *namespace, cmd *nvmetcp.Command, data []byte) (status nvme.Status, ok bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.withdrawn {
		return 0, false
	}
	return ns.execute(cmd, data), true
}

// withdraw returns when no command takes effect any more.
func (e *effects) withdraw() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.withdrawn = true
}

// end ends connections as one: the first that closes makes the host give all of
// the controller up and send its commands elsewhere. What the others received
// and did not execute yet must not take effect after those.
func end(connections ...*conn) {
	for _, c := range connections {
		c.effects.withdraw()
	}
	for _, c := range connections {
		c.flow.end()
	}
}
