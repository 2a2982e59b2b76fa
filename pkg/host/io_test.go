package host

import (
	"fmt"
	"testing"

	"github.com/braid-csi/braid/pkg/nvmetcp"
	"github.com/braid-csi/braid/pkg/target/targettest"
)

// TestIO writes and reads what fits into a capsule, what just does not, and what
// takes several PDUs, with all combinations of digests.
func TestIO(t *testing.T) {
	tg := startTarget(t, targetConfig())
	for digests := range nvmetcp.Digests(4) {
		t.Run(fmt.Sprintf("digests %d", digests), func(t *testing.T) {
			cfg := hostConfig(t, tg)
			cfg.Digests, cfg.IOQueues = digests, 2
			c := connect(t, cfg)
			id := c.Identify()
			for i, n := range []int{512, 4096, id.InCapsule(), id.InCapsule() + 512, 128 << 10, 1 << 20} {
				want := targettest.Pattern(i+int(digests), n)
				mustDo(t, c, rw(nvmetcp.Write, uint64(i), want))
				got := make([]byte, n)
				mustDo(t, c, rw(nvmetcp.Read, uint64(i), got))
				targettest.WantBytes(t, fmt.Sprintf("%d bytes", n), got, want)
			}
			mustDo(t, c, rw(nvmetcp.Flush, 0, nil))
		})
	}
}
