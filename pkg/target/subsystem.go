package target

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// subsystem is an NVM subsystem, or the discovery subsystem, which has no
// namespaces.
type subsystem struct {
	nqn           nvme.NQN
	serial, model string
	discovery     bool
	traffic       bool // any command keeps a controller alive
	quiesce       time.Duration
	namespaces    map[uint32]*namespace
	nsids         []uint32 // in order

	mu          sync.Mutex
	controllers map[uint16]*controller
	last        uint16 // controller ID
}

// maxControllerID is the highest ID that a controller may have; the ones above
// are reserved (Base Specification 2.1, figure 546).
const maxControllerID = 0xffef

// maxControllers bounds the controllers of a subsystem, whoever asks for them.
const maxControllers = 1024

func newSubsystem(cfg SubsystemConfig) (*subsystem, error) {
	s := &subsystem{
		nqn: cfg.NQN, serial: cfg.Serial, model: cfg.Model, traffic: !cfg.StrictKeepAlive, quiesce: time.Duration(cfg.QuiesceTime),
		namespaces: map[uint32]*namespace{}, controllers: map[uint16]*controller{},
	}
	for i, c := range cfg.Namespaces {
		n, err := openNamespace(c)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("namespaces[%d].%w", i, err), s.close())
		}
		s.namespaces[c.NSID] = n
		s.nsids = append(s.nsids, c.NSID)
	}
	slices.Sort(s.nsids)
	return s, nil
}

func newDiscovery() *subsystem {
	return &subsystem{
		nqn: nvmetcp.DiscoveryNQN, serial: "discovery", model: "Braid target", discovery: true,
		controllers: map[uint16]*controller{},
	}
}

func (s *subsystem) close() error {
	var errs []error
	for _, n := range s.namespaces {
		errs = append(errs, n.Close())
	}
	return errors.Join(errs...)
}

// add gives a controller an ID, one that was not in use lately.
func (s *subsystem) add(k *controller) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.controllers) >= maxControllers {
		return false
	}
	for {
		s.last = s.last%maxControllerID + 1
		if s.controllers[s.last] == nil {
			break
		}
	}
	k.id = s.last
	s.controllers[k.id] = k
	return true
}

func (s *subsystem) remove(k *controller) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.controllers, k.id)
}

// controller returns the controller with that ID, nil for none.
func (s *subsystem) controller(id uint16) *controller {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.controllers[id]
}

// groups are the ANA groups that have namespaces, and their namespaces.
func (s *subsystem) groups() map[uint32][]uint32 {
	groups := map[uint32][]uint32{}
	for _, nsid := range s.nsids {
		g := s.namespaces[nsid].group
		groups[g] = append(groups[g], nsid)
	}
	return groups
}

// namespace is a namespace of a subsystem.
type namespace struct {
	backend
	ids        []nvme.NamespaceID
	group      uint32
	blockShift uint8
}

func openNamespace(cfg NamespaceConfig) (*namespace, error) {
	n := &namespace{ids: cfg.IDs, group: cfg.ANAGroup, blockShift: cfg.blockShift()}
	if cfg.File == "" {
		n.backend = newMemory(int64(cfg.Size))
		return n, nil
	}
	f, err := openFile(cfg.File)
	if err != nil {
		return nil, fmt.Errorf("file: %w", err)
	}
	if f.size%int64(cfg.BlockSize) != 0 {
		return nil, errors.Join(fmt.Errorf("file: the size of %s is not a multiple of %d", cfg.File, cfg.BlockSize), f.Close())
	}
	n.backend = f
	return n, nil
}

// extent turns a range of blocks into one of bytes; ok is false if it goes
// over the end.
func (n *namespace) extent(start uint64, blocks uint32) (offset, length int64, ok bool) {
	size := uint64(n.Size()) >> n.blockShift
	if start > size || uint64(blocks) > size-start {
		return 0, 0, false
	}
	return int64(start << n.blockShift), int64(blocks) << n.blockShift, true
}
