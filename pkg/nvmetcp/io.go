package nvmetcp

import "encoding/binary"

// Bits of CDW12 of I/O commands.
const (
	// ForceUnitAccess: the data must be durable before the command completes.
	ForceUnitAccess = 1 << 30
	// Deallocate lets Write Zeroes deallocate the blocks.
	Deallocate = 1 << 25
)

// DSMDeallocate in CDW11 of Dataset Management means that the ranges are to be
// deallocated (AD).
const DSMDeallocate = 1 << 2

// SetBlocks sets the range of an I/O command: count blocks, at least 1, from
// start on.
func (c *Command) SetBlocks(start uint64, count uint32) {
	c.Dwords[0], c.Dwords[1] = uint32(start), uint32(start>>32)
	c.Dwords[2] = c.Dwords[2]&^0xffff | (count-1)&0xffff
}

// Blocks is the range of an I/O command.
func (c *Command) Blocks() (start uint64, count uint32) {
	return uint64(c.Dwords[0]) | uint64(c.Dwords[1])<<32, c.Dwords[2]&0xffff + 1
}

// FUA tells whether the command forces unit access.
func (c *Command) FUA() bool { return c.Dwords[2]&ForceUnitAccess != 0 }

// DSMRanges is how many ranges a Dataset Management command has, 1 to 256.
func (c *Command) DSMRanges() int { return int(c.Dwords[0]&0xff) + 1 }

// DSMRange is a range of a Dataset Management command.
type DSMRange struct {
	Attributes uint32
	Blocks     uint32
	Start      uint64
}

// DSMRangeSize is the size of a range on the wire.
const DSMRangeSize = 16

// AppendDSMRange appends a range.
func AppendDSMRange(b []byte, r DSMRange) []byte {
	b = binary.LittleEndian.AppendUint32(b, r.Attributes)
	b = binary.LittleEndian.AppendUint32(b, r.Blocks)
	return binary.LittleEndian.AppendUint64(b, r.Start)
}

// ParseDSMRange reads the range at the start of b.
func ParseDSMRange(b []byte) (DSMRange, error) {
	if len(b) < DSMRangeSize {
		return DSMRange{}, errShort
	}
	return DSMRange{
		Attributes: binary.LittleEndian.Uint32(b),
		Blocks:     binary.LittleEndian.Uint32(b[4:]),
		Start:      binary.LittleEndian.Uint64(b[8:]),
	}, nil
}
