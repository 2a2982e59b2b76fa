package target

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net"
	"net/netip"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// Config describes a target. Every port serves every subsystem.
type Config struct {
	Subsystems []SubsystemConfig `json:"subsystems"`
	Ports      []PortConfig      `json:"ports"`
	// Listen opens the listener of a port, net.Listen("tcp", address) if it is
	// nil.
	Listen func(address netip.AddrPort) (net.Listener, error) `json:"-"`
}

// SubsystemConfig describes an NVM subsystem that any host may connect to.
type SubsystemConfig struct {
	NQN nvme.NQN `json:"nqn"`
	// Serial is derived from the NQN if it is empty, Model is "Braid target".
	Serial string `json:"serial,omitempty"`
	Model  string `json:"model,omitempty"`
	// StrictKeepAlive takes only Keep Alive commands for a sign of life. By
	// default any command is one (TBKAS), as with Linux, and the target needs up
	// to 2 x KATO to notice that a host is gone.
	StrictKeepAlive bool `json:"strictKeepAlive,omitempty"`
	// QuiesceTime is the CQT that hosts are told, in whole milliseconds. The
	// target itself stops at once; a held write does not.
	QuiesceTime Duration          `json:"quiesceTime,omitempty"`
	Namespaces  []NamespaceConfig `json:"namespaces"`
}

// NamespaceConfig describes a namespace over memory or over a file.
type NamespaceConfig struct {
	NSID uint32 `json:"nsid"`
	// IDs are the identifiers by which hosts know the namespace, one at least,
	// such as "uuid:0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190807".
	IDs []nvme.NamespaceID `json:"ids"`
	// ANAGroup is 1 if it is 0.
	ANAGroup uint32 `json:"anaGroup,omitempty"`
	// BlockSize is 512 if it is 0, else 4096.
	BlockSize uint32 `json:"blockSize,omitempty"`
	// File is a regular file or a block device, opened as it is. Without one
	// the namespace is in memory, and as large as Size says.
	File string `json:"file,omitempty"`
	Size Bytes  `json:"size,omitempty"`
}

// PortConfig describes an address of the target.
type PortConfig struct {
	ID uint16 `json:"id"`
	// Address is where to listen. It is an address that hosts can be told, so
	// not 0.0.0.0. Port 0 stands for one that is free.
	Address netip.AddrPort `json:"address"`
	// ANA is the state of each ANA group on this port, optimized by default.
	ANA map[uint32]nvme.ANAState `json:"ana,omitempty"`
}

// Limits of what a target can be.
const (
	// MaxANAGroup is the highest ANA group.
	MaxANAGroup = 128
	// MaxNSID is the highest NSID.
	MaxNSID = 1024
)

// ParseConfig reads a Config in JSON. The error names the field.
func ParseConfig(r io.Reader) (Config, error) {
	var c Config
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return c, err
	}
	return c, c.Validate()
}

// Validate fills in what was left at its default and checks the rest. The error
// names the field.
func (c *Config) Validate() error {
	if len(c.Subsystems) == 0 {
		return errors.New("subsystems: there is none")
	}
	if len(c.Ports) == 0 {
		return errors.New("ports: there is none")
	}
	nqns := map[nvme.NQN]bool{nvmetcp.DiscoveryNQN: true}
	for i := range c.Subsystems {
		s := &c.Subsystems[i]
		if err := s.validate(); err != nil {
			return fmt.Errorf("subsystems[%d].%w", i, err)
		}
		if nqns[s.NQN] {
			return fmt.Errorf("subsystems[%d].nqn: %s is taken", i, s.NQN)
		}
		nqns[s.NQN] = true
	}
	ids := map[uint16]bool{}
	for i := range c.Ports {
		p := &c.Ports[i]
		if err := p.validate(); err != nil {
			return fmt.Errorf("ports[%d].%w", i, err)
		}
		if ids[p.ID] {
			return fmt.Errorf("ports[%d].id: %d is taken", i, p.ID)
		}
		ids[p.ID] = true
	}
	return nil
}

func (s *SubsystemConfig) validate() error {
	if _, err := nvme.ParseNQN(string(s.NQN)); err != nil {
		return fmt.Errorf("nqn: %w", err)
	}
	if s.Serial == "" {
		s.Serial = fmt.Sprintf("%08x", nvmetcp.Digest([]byte(s.NQN)))
	}
	if s.Model == "" {
		s.Model = "Braid target"
	}
	for _, f := range []struct {
		name, value string
		most        int
	}{{"serial", s.Serial, 20}, {"model", s.Model, 40}} {
		if len(f.value) > f.most {
			return fmt.Errorf("%s: %q is longer than %d bytes", f.name, f.value, f.most)
		}
	}
	if ms := time.Duration(s.QuiesceTime).Milliseconds(); ms < 0 || ms > 0xffff {
		return fmt.Errorf("quiesceTime: %s is not between 0 and 65.535s", time.Duration(s.QuiesceTime))
	}
	nsids := map[uint32]bool{}
	for i := range s.Namespaces {
		n := &s.Namespaces[i]
		if err := n.validate(); err != nil {
			return fmt.Errorf("namespaces[%d].%w", i, err)
		}
		if nsids[n.NSID] {
			return fmt.Errorf("namespaces[%d].nsid: %d is taken", i, n.NSID)
		}
		nsids[n.NSID] = true
	}
	return nil
}

func (n *NamespaceConfig) validate() error {
	if n.ANAGroup == 0 {
		n.ANAGroup = 1
	}
	if n.BlockSize == 0 {
		n.BlockSize = 512
	}
	switch {
	case n.NSID == 0 || n.NSID > MaxNSID:
		return fmt.Errorf("nsid: %d is not between 1 and %d", n.NSID, MaxNSID)
	case len(n.IDs) == 0:
		return errors.New("ids: there is none, hosts would not know the namespace on another path")
	case n.ANAGroup > MaxANAGroup:
		return fmt.Errorf("anaGroup: %d is more than %d", n.ANAGroup, MaxANAGroup)
	case n.BlockSize != 512 && n.BlockSize != 4096:
		return fmt.Errorf("blockSize: %d is neither 512 nor 4096", n.BlockSize)
	case n.File != "" && n.Size != 0:
		return errors.New("size: the file has its own")
	case n.File == "" && (n.Size < Bytes(n.BlockSize) || n.Size%Bytes(n.BlockSize) != 0):
		return fmt.Errorf("size: %d is not a multiple of the block size %d", n.Size, n.BlockSize)
	}
	return nil
}

// blockShift is the block size as a power of two.
func (n *NamespaceConfig) blockShift() uint8 { return uint8(bits.TrailingZeros32(n.BlockSize)) }

func (p *PortConfig) validate() error {
	switch {
	case p.ID == 0:
		return errors.New("id: is missing")
	case !p.Address.IsValid():
		return errors.New("address: is missing")
	case p.Address.Addr().IsUnspecified():
		return fmt.Errorf("address: %s is not an address that hosts can be told", p.Address)
	}
	for group, state := range p.ANA {
		if err := checkANA(group, state); err != nil {
			return fmt.Errorf("ana: %w", err)
		}
	}
	return nil
}

func checkANA(group uint32, state nvme.ANAState) error {
	if group == 0 || group > MaxANAGroup {
		return fmt.Errorf("group %d is not between 1 and %d", group, MaxANAGroup)
	}
	if s := nvme.ParseANAState(string(state)); s == nvme.ANAUnknown || s == nvme.ANANone {
		return fmt.Errorf("state %q is not optimized, non-optimized, inaccessible, persistent-loss or change", state)
	}
	return nil
}
