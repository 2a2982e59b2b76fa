package nvmet

import (
	"errors"
	"fmt"
	"slices"

	"github.com/braid-csi/braid/hack/configfs"
)

// SubsystemConfig describes an NVM subsystem. Only the NQN is required.
type SubsystemConfig struct {
	NQN    string
	Serial string
	Model  string
	// CNTLIDMin and CNTLIDMax bound the controller IDs, so that two targets can
	// pose as one subsystem.
	CNTLIDMin, CNTLIDMax uint16
}

// Subsystem is an NVM subsystem any host may connect to.
type Subsystem struct {
	NQN        string
	object     configfs.Object
	namespaces []*Namespace
}

// NewSubsystem creates a subsystem. It serves nobody until a port links it.
func (t *Target) NewSubsystem(cfg SubsystemConfig) (*Subsystem, error) {
	s := &Subsystem{NQN: cfg.NQN, object: t.root.Child("subsystems", cfg.NQN)}
	if err := s.object.Make(); err != nil {
		return nil, fmt.Errorf("nvmet subsystem: %w", err)
	}
	t.subsystems = append(t.subsystems, s)
	err := set(s.object,
		setting{"attr_allow_any_host", 1, false},
		setting{"attr_serial", cfg.Serial, cfg.Serial == ""},
		setting{"attr_model", cfg.Model, cfg.Model == ""},
		// The minimum first: each is checked against the other.
		setting{"attr_cntlid_min", cfg.CNTLIDMin, cfg.CNTLIDMin == 0},
		setting{"attr_cntlid_max", cfg.CNTLIDMax, cfg.CNTLIDMax == 0},
	)
	if err != nil {
		return nil, fmt.Errorf("nvmet subsystem: %w", err)
	}
	return s, nil
}

func (s *Subsystem) remove() error {
	var errs []error
	for _, n := range slices.Backward(s.namespaces) {
		errs = append(errs, n.Remove())
	}
	if err := s.object.Remove(); err != nil {
		errs = append(errs, fmt.Errorf("nvmet subsystem: %w", err))
	}
	return errors.Join(errs...)
}
