package nvmet

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"github.com/braid-csi/braid/hack/configfs"
)

// ANAState is the state of an ANA group on a port, in configfs's words.
type ANAState string

// The states of NVMe base specification 2.0, section 8.1.
const (
	Optimized      ANAState = "optimized"
	NonOptimized   ANAState = "non-optimized"
	Inaccessible   ANAState = "inaccessible"
	PersistentLoss ANAState = "persistent-loss"
	Change         ANAState = "change"
)

// Port is a TCP address of the target. It listens while a subsystem is linked.
type Port struct {
	ID     uint16
	Addr   netip.AddrPort
	target *Target
	object configfs.Object
	linked []*Subsystem
	groups []uint32
	// referrals are the entries of its discovery log that lead to other ports.
	referrals []configfs.Object
}

// NewPort creates a port. An ID is needed because ANA states and controllers
// are told apart by it.
func (t *Target) NewPort(id uint16, addr netip.AddrPort) (*Port, error) {
	p := &Port{ID: id, Addr: addr, target: t, object: t.root.Child("ports", strconv.Itoa(int(id)))}
	if err := p.object.Make(); err != nil {
		return nil, fmt.Errorf("nvmet port: %w", err)
	}
	t.ports = append(t.ports, p)
	if err := set(p.object, p.address()...); err != nil {
		return nil, fmt.Errorf("nvmet port: %w", err)
	}
	return p, nil
}

// Link makes the port serve the subsystem. The first link opens the listener.
func (p *Port) Link(s *Subsystem) error {
	err := p.target.listen(func() error {
		return p.object.Child("subsystems").Link(s.NQN, s.object)
	})
	if err != nil {
		return fmt.Errorf("nvmet port %d: linking %s: %w", p.ID, s.NQN, err)
	}
	p.linked = append(p.linked, s)
	return nil
}

// Unlink stops serving the subsystem: its controllers on this port are gone at
// once, and without any other subsystem the address refuses connections. Link
// repairs it.
func (p *Port) Unlink(s *Subsystem) error {
	err := p.target.listen(func() error {
		return p.object.Child("subsystems").Unlink(s.NQN)
	})
	if err != nil {
		return fmt.Errorf("nvmet port %d: unlinking %s: %w", p.ID, s.NQN, err)
	}
	p.linked = slices.DeleteFunc(p.linked, func(o *Subsystem) bool { return o == s })
	return nil
}

// SetANAState sets the state hosts see for a group's namespaces through this
// port. A group that the port does not have yet is created; group 1 is always
// there.
func (p *Port) SetANAState(group uint32, state ANAState) error {
	object := p.object.Child("ana_groups", strconv.FormatUint(uint64(group), 10))
	if group != 1 && !slices.Contains(p.groups, group) {
		if err := object.Make(); err != nil {
			return fmt.Errorf("nvmet ANA group: %w", err)
		}
		p.groups = append(p.groups, group)
	}
	if err := object.Set("ana_state", state); err != nil {
		return fmt.Errorf("nvmet ANA group: %w", err)
	}
	return nil
}

// Refer has the port's discovery log point to another port. Without it the log is
// about this port only.
func (p *Port) Refer(to *Port) error {
	r := p.object.Child("referrals", strconv.Itoa(int(to.ID)))
	if err := r.Make(); err != nil {
		return fmt.Errorf("nvmet referral: %w", err)
	}
	p.referrals = append(p.referrals, r)
	if err := set(r, append(to.address(), setting{"addr_portid", to.ID, false}, setting{"enable", 1, false})...); err != nil {
		return fmt.Errorf("nvmet referral: %w", err)
	}
	return nil
}

// address are the settings that say where the port is.
func (p *Port) address() []setting {
	family := "ipv4"
	if p.Addr.Addr().Is6() {
		family = "ipv6"
	}
	return []setting{
		{"addr_trtype", "tcp", false},
		{"addr_adrfam", family, false},
		{"addr_traddr", p.Addr.Addr(), false},
		{"addr_trsvcid", p.Addr.Port(), false},
	}
}

func (p *Port) remove() error {
	var errs []error
	for _, r := range p.referrals {
		errs = append(errs, r.Remove())
	}
	for _, s := range slices.Clone(p.linked) {
		errs = append(errs, p.Unlink(s))
	}
	for _, g := range p.groups {
		errs = append(errs, p.object.Child("ana_groups", strconv.FormatUint(uint64(g), 10)).Remove())
	}
	if err := p.object.Remove(); err != nil {
		errs = append(errs, fmt.Errorf("nvmet port: %w", err))
	}
	return errors.Join(errs...)
}
