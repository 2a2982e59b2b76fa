package multipath

import (
	"reflect"
	"time"

	"github.com/braid-csi/braid/pkg/attachment"
	"github.com/braid-csi/braid/pkg/nvme"
)

// MaxAddresses is how many paths a volume may have.
const MaxAddresses = 16

// Volume says which namespace a volume is and how this node shall reach it:
// what staging asks of the layer.
type Volume struct {
	ID           string           `json:"id"`
	SubsystemNQN nvme.NQN         `json:"subsystemNQN"`
	Namespace    nvme.NamespaceID `json:"namespace"`
	// Addresses are the expected paths, distinct, at least one.
	Addresses []nvme.TransportID `json:"addresses"`
	// Discovery are discovery controllers that know where the subsystem is, should
	// an address of it move; none: Addresses hold for ever.
	Discovery []nvme.TransportID `json:"discovery,omitempty"`
	// MinPaths is how many usable paths staging waits for; the rest is
	// connected in the background. At least 1, at most len(Addresses).
	MinPaths int `json:"minPaths"`
	// IOPolicy is the policy asked for; empty leaves the choice to Braid: what
	// somebody chose on the node, else queue-depth, else round-robin.
	IOPolicy nvme.IOPolicy  `json:"ioPolicy,omitempty"`
	Connect  ConnectOptions `json:"connect"`
	// Origin is whose volume it is, as far as the node was told. It is for
	// people: two stagings that differ in it alone are the same.
	Origin attachment.Origin `json:"origin,omitzero"`
}

// same tells whether v asks for the same volume in the same way.
func (v Volume) same(as Volume) bool {
	v.Origin = as.Origin
	return reflect.DeepEqual(v, as)
}

// ConnectOptions are the fabrics options of the controllers that Braid
// connects for a volume (Linux drivers/nvme/host/fabrics.c).
type ConnectOptions struct {
	// ControllerLossTimeout is for how long the kernel tries to bring a lost
	// controller back; negative: for ever, so that a disk never vanishes under
	// a file system.
	ControllerLossTimeout time.Duration `json:"controllerLossTimeout"`
	// ReconnectDelay is the pause between two such attempts, at least 1 s.
	ReconnectDelay time.Duration `json:"reconnectDelay"`
	// FastIOFailTimeout is for how long I/O is queued once no path of the
	// volume is left; negative: for ever.
	FastIOFailTimeout time.Duration `json:"fastIOFailTimeout"`
	// KeepAliveTimeout is the interval within which both ends must hear of
	// each other (KATO), at least 1 s. It bounds how long a dead address
	// stalls I/O.
	KeepAliveTimeout time.Duration `json:"keepAliveTimeout"`
	// IOTimeout is for how long the kernel waits for a request before it gives the
	// path's controller up, at least 1 s; 0 leaves it at the kernel's 30 s. It
	// must be longer than the backend ever takes, or a slow backend makes the
	// kernel give up one path after the other.
	IOTimeout time.Duration `json:"ioTimeout,omitempty"`
	// IOQueues is the number of I/O queues; 0: one per CPU, at most 8.
	IOQueues int `json:"ioQueues,omitempty"`
	// HeaderDigest and DataDigest turn on the CRC32C of NVMe/TCP.
	HeaderDigest bool `json:"headerDigest,omitempty"`
	DataDigest   bool `json:"dataDigest,omitempty"`
}

// DefaultConnectOptions are the options of a volume that names none.
func DefaultConnectOptions() ConnectOptions {
	return ConnectOptions{
		ControllerLossTimeout: -1,
		ReconnectDelay:        2 * time.Second,
		FastIOFailTimeout:     -1,
		KeepAliveTimeout:      5 * time.Second,
	}
}
