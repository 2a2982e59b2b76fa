package load

import (
	"math/rand/v2"
	"testing"
)

// TestVerify has the writer's check fail for everything that can go wrong with
// a block: a check that cannot fail would prove nothing about a failover.
func TestVerify(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, blockSize)
	sum := fill(b, 7, 3, random)
	if err := verify(b, 7, 3, sum); err != nil {
		t.Fatal(err)
	}
	stale := make([]byte, blockSize)
	staleSum := fill(stale, 7, 2, random)
	other := make([]byte, blockSize)
	fill(other, 7, 3, random)
	flipped := append([]byte(nil), b...)
	flipped[blockSize-1] ^= 1
	for name, c := range map[string]struct {
		block   []byte
		index   uint64
		version uint64
		sum     uint32
	}{
		"stale version":                {stale, 7, 3, sum},
		"stale, its own sum":           {stale, 7, 3, staleSum},
		"another place":                {b, 8, 3, sum},
		"a bit flipped":                {flipped, 7, 3, sum},
		"a whole block of other bytes": {other, 7, 3, sum},
		"never written":                {make([]byte, blockSize), 7, 3, sum},
	} {
		if err := verify(c.block, c.index, c.version, c.sum); err == nil {
			t.Errorf("%s: not noticed", name)
		}
	}
}
