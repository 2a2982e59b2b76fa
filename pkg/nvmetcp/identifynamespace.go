package nvmetcp

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strings"

	"github.com/braid-csi/braid/pkg/nvme"
)

// IdentifyNamespace is the part of a namespace's identify data that Braid uses.
type IdentifyNamespace struct {
	// Blocks is the size in logical blocks; a namespace of 0 is not there.
	Blocks uint64
	// BlockShift is the size of a logical block, as a power of two.
	BlockShift uint8
	// Thin tells that the namespace is thinly provisioned (NSFEAT bit 0).
	Thin bool
	// Shared tells that other controllers have the namespace too (NMIC).
	Shared bool
	// ReadsZero tells that deallocated blocks read as zeros (DLFEAT).
	ReadsZero  bool
	ANAGroupID uint32
}

const (
	minBlockShift = 9
	maxBlockShift = 16
	readsZero     = 1
	zeroesDealloc = 1 << 3 // Write Zeroes may deallocate
	formatsAt     = 128
)

// ParseIdentifyNamespace reads the identify data of a namespace. Of an inactive
// one, everything is 0.
func ParseIdentifyNamespace(b []byte) (IdentifyNamespace, error) {
	if len(b) < IdentifySize {
		return IdentifyNamespace{}, errShort
	}
	le := binary.LittleEndian
	n := IdentifyNamespace{
		Blocks: le.Uint64(b), Thin: b[24]&1 != 0, Shared: b[30]&1 != 0,
		ReadsZero: b[33]&7 == readsZero, ANAGroupID: le.Uint32(b[92:]),
	}
	if n.Blocks == 0 {
		return n, nil
	}
	index := int(b[26]&15) | int(b[26]>>5&3)<<4
	format := b[formatsAt+4*index:]
	n.BlockShift = format[2]
	switch {
	case le.Uint16(format) != 0:
		return n, fmt.Errorf("identify namespace: %d bytes of metadata for each block", le.Uint16(format))
	case n.BlockShift < minBlockShift || n.BlockShift > maxBlockShift:
		return n, fmt.Errorf("identify namespace: LBADS %d", n.BlockShift)
	case n.Blocks > math.MaxInt64>>n.BlockShift:
		return n, fmt.Errorf("identify namespace: NSZE %d", n.Blocks)
	}
	return n, nil
}

// Append appends the 4096 bytes of a namespace's identify data.
func (n *IdentifyNamespace) Append(b []byte) []byte {
	start := len(b)
	b = append(b, make([]byte, IdentifySize)...)
	p, le := b[start:], binary.LittleEndian
	for _, at := range []int{0, 8, 16} { // NSZE, NCAP, NUSE
		le.PutUint64(p[at:], n.Blocks)
	}
	if n.Thin {
		p[24] = 1
	}
	if n.Shared {
		p[30] = 1
	}
	if n.ReadsZero {
		p[33] = readsZero | zeroesDealloc
	}
	le.PutUint32(p[92:], n.ANAGroupID)
	p[formatsAt+2] = n.BlockShift
	return b
}

// ParseActiveNamespaces reads the list of the NSIDs that are active: in order,
// up to 1024. A list that is full continues after its last NSID.
func ParseActiveNamespaces(b []byte) ([]uint32, error) {
	if len(b) < IdentifySize {
		return nil, errShort
	}
	var list []uint32
	for i := 0; i < IdentifySize; i += 4 {
		nsid := binary.LittleEndian.Uint32(b[i:])
		if nsid == 0 {
			break
		}
		if len(list) > 0 && nsid <= list[len(list)-1] {
			return nil, fmt.Errorf("active namespaces: %d after %d", nsid, list[len(list)-1])
		}
		list = append(list, nsid)
	}
	return list, nil
}

// MaxActiveNamespaces is how many NSIDs one list has at most.
const MaxActiveNamespaces = IdentifySize / 4

// AppendActiveNamespaces appends a list of at most 1024 NSIDs.
func AppendActiveNamespaces(b []byte, list []uint32) []byte {
	start := len(b)
	b = append(b, make([]byte, IdentifySize)...)
	for i, nsid := range list[:min(len(list), MaxActiveNamespaces)] {
		binary.LittleEndian.PutUint32(b[start+4*i:], nsid)
	}
	return b
}

// descriptorTypes are the types of namespace identification descriptors (NIDT).
var descriptorTypes = []struct {
	code   byte
	size   int
	idType nvme.IDType
}{
	{1, 8, nvme.EUI64},
	{2, 16, nvme.NGUID},
	{3, 16, nvme.UUID},
}

const descriptorHeader = 4

// ParseNamespaceDescriptors reads the identifiers of a namespace. Types that
// Braid does not know are skipped.
func ParseNamespaceDescriptors(b []byte) ([]nvme.NamespaceID, error) {
	if len(b) < IdentifySize {
		return nil, errShort
	}
	var ids []nvme.NamespaceID
	for b = b[:IdentifySize]; len(b) >= descriptorHeader && b[1] != 0; {
		code, size := b[0], int(b[1])
		if size > len(b)-descriptorHeader {
			return nil, fmt.Errorf("namespace descriptors: type %d: length %d", code, size)
		}
		value := b[descriptorHeader:][:size]
		for _, t := range descriptorTypes {
			if t.code != code {
				continue
			}
			if t.size != size {
				return nil, fmt.Errorf("namespace descriptors: %s of %d bytes", t.idType, size)
			}
			id, err := nvme.ParseNamespaceID(t.idType, hex.EncodeToString(value))
			if err != nil {
				return nil, fmt.Errorf("namespace descriptors: %w", err)
			}
			ids = append(ids, id)
		}
		b = b[descriptorHeader+size:]
	}
	return ids, nil
}

// AppendNamespaceDescriptors appends the 4096 bytes of a list of identifiers.
func AppendNamespaceDescriptors(b []byte, ids []nvme.NamespaceID) ([]byte, error) {
	start := len(b)
	for _, id := range ids {
		for _, t := range descriptorTypes {
			if t.idType != id.Type {
				continue
			}
			value, err := hex.DecodeString(strings.ReplaceAll(id.Value, "-", ""))
			if err != nil || len(value) != t.size {
				return b[:start], fmt.Errorf("namespace identifier %s is not %d bytes", id, t.size)
			}
			b = append(b, t.code, byte(t.size), 0, 0)
			b = append(b, value...)
		}
	}
	if len(b)-start > IdentifySize {
		return b[:start], fmt.Errorf("%d namespace identifiers are too many", len(ids))
	}
	return append(b, make([]byte, IdentifySize-(len(b)-start))...), nil
}
