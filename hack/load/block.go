package load

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
)

// A block says where it belongs and how often its place was written before, so
// that a block that was lost, misplaced or overtaken by an older one shows
// even though it is whole:
//
//	0       8         16        20         4096
//	| index | version | CRC32C  | payload  |
//
// The checksum covers everything but itself.
const (
	versionAt = 8
	sumAt     = 16
	payloadAt = 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// fill makes b the block of that index and version and returns its checksum.
func fill(b []byte, index, version uint64, random *rand.Rand) uint32 {
	binary.LittleEndian.PutUint64(b, index)
	binary.LittleEndian.PutUint64(b[versionAt:], version)
	payload := b[payloadAt:]
	for len(payload) >= 8 {
		binary.LittleEndian.PutUint64(payload, random.Uint64())
		payload = payload[8:]
	}
	sum := checksum(b)
	binary.LittleEndian.PutUint32(b[sumAt:], sum)
	return sum
}

func checksum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:sumAt], castagnoli), castagnoli, b[payloadAt:])
}

// verify tells how b differs from the block that was written, nil if it does
// not.
func verify(b []byte, index, version uint64, sum uint32) error {
	gotIndex, gotVersion := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[versionAt:])
	stored, computed := binary.LittleEndian.Uint32(b[sumAt:]), checksum(b)
	switch {
	case gotIndex != index || gotVersion != version:
		return fmt.Errorf("block %d version %d holds block %d version %d", index, version, gotIndex, gotVersion)
	case stored != computed:
		return fmt.Errorf("block %d version %d: checksum %08x, content has %08x", index, version, stored, computed)
	case stored != sum:
		return fmt.Errorf("block %d version %d: another content than was written", index, version)
	}
	return nil
}
