package nvmetcp

import (
	"encoding/binary"
	"fmt"
	"iter"

	"github.com/braid-csi/braid/pkg/nvme"
)

// anaCodes are the ANA states on the wire.
var anaCodes = map[nvme.ANAState]byte{
	nvme.ANAOptimized: 0x1, nvme.ANANonOptimized: 0x2, nvme.ANAInaccessible: 0x3,
	nvme.ANAPersistentLoss: 0x4, nvme.ANAChange: 0xf,
}

// anaState is the state that the wire calls code.
func anaState(code byte) nvme.ANAState {
	for state, c := range anaCodes {
		if c == code&0xf {
			return state
		}
	}
	return nvme.ANAUnknown
}

// ANAGroup is a group of namespaces that share a state on this path.
type ANAGroup struct {
	ID          uint32
	ChangeCount uint64
	State       nvme.ANAState
	// Namespaces are the NSIDs of the group.
	Namespaces []uint32
}

const (
	anaHeaderSize = 16
	anaGroupSize  = 32
)

// ANALogSize is how large an ANA log can be, given the identify data of its
// controller, in bytes.
func (c *IdentifyController) ANALogSize() uint64 {
	return anaHeaderSize + uint64(c.ANAGroups)*anaGroupSize + uint64(max(c.MaxNamespaces, c.Namespaces))*4
}

// ParseANALog reads an ANA log: all groups, and its change count. A log that is
// shorter than what it tells of is an error.
func ParseANALog(b []byte) (changes uint64, groups []ANAGroup, err error) {
	if len(b) < anaHeaderSize {
		return 0, nil, errShort
	}
	changes = binary.LittleEndian.Uint64(b)
	n := int(binary.LittleEndian.Uint16(b[8:]))
	b = b[anaHeaderSize:]
	for i := range n {
		if len(b) < anaGroupSize {
			return 0, nil, fmt.Errorf("ANA log: group %d of %d is cut off", i+1, n)
		}
		g := ANAGroup{
			ID:          binary.LittleEndian.Uint32(b),
			ChangeCount: binary.LittleEndian.Uint64(b[8:]),
			State:       anaState(b[16]),
		}
		count := uint64(binary.LittleEndian.Uint32(b[4:]))
		b = b[anaGroupSize:]
		switch {
		case g.ID == 0:
			return 0, nil, fmt.Errorf("ANA log: group %d of %d has ID 0", i+1, n)
		case count*4 > uint64(len(b)):
			return 0, nil, fmt.Errorf("ANA log: the %d namespaces of group %d are cut off", count, g.ID)
		}
		for nsid := range dwords(b[:count*4]) {
			g.Namespaces = append(g.Namespaces, nsid)
		}
		b = b[count*4:]
		groups = append(groups, g)
	}
	return changes, groups, nil
}

func dwords(b []byte) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for ; len(b) >= 4; b = b[4:] {
			if !yield(binary.LittleEndian.Uint32(b)) {
				return
			}
		}
	}
}

// AppendANALog appends an ANA log.
func AppendANALog(b []byte, changes uint64, groups []ANAGroup) []byte {
	le := binary.LittleEndian
	b = le.AppendUint64(b, changes)
	b = le.AppendUint16(b, uint16(len(groups)))
	b = append(b, make([]byte, 6)...)
	for _, g := range groups {
		b = le.AppendUint32(b, g.ID)
		b = le.AppendUint32(b, uint32(len(g.Namespaces)))
		b = le.AppendUint64(b, g.ChangeCount)
		b = append(b, anaCodes[g.State])
		b = append(b, make([]byte, 15)...)
		for _, nsid := range g.Namespaces {
			b = le.AppendUint32(b, nsid)
		}
	}
	return b
}
