package native

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

// TestResetsBeside: resets are counted beside the kernel only where it does not.
func TestResetsBeside(t *testing.T) {
	for _, tc := range []struct {
		name      string
		attribute bool
		count     *fakeCount
		want      bool
	}{
		{"the kernel counts", true, &fakeCount{}, false},
		{"the kernel does not", false, &fakeCount{}, true},
		{"nobody does", false, nil, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root := oneTree(t, nil)
			if tc.attribute {
				put(t, root, "class/nvme/nvme0/diag/reset_count", "7\n")
			}
			e := testEngine(t, root)
			epoch, err := e.controllerEpoch("nvme0")
			if err != nil {
				t.Fatal(err)
			}
			inode, err := inodeOf(epoch)
			if err != nil {
				t.Fatal(err)
			}
			attached := 0
			e.resets.attach = func() (KernelCounter, error) {
				attached++
				if tc.count == nil {
					return nil, errors.New("not permitted")
				}
				tc.count.counts = map[uint64]uint64{inode: 3, inode + 1: 9}
				return tc.count, nil
			}
			var want *ledger.Witness
			if tc.want {
				want = &ledger.Witness{Epoch: fmt.Sprintf("%s/bpf/5/controller/%d", testBootID, inode), Counters: nvme.Counters{nvme.Resets: 3}, Exact: true}
			}
			for range 2 {
				obs, err := e.Observe(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, obs.Subsystems[0].Controllers[0].Beside); diff != "" {
					t.Errorf("beside the kernel (-want +got):\n%s", diff)
				}
			}
			if tc.attribute != (attached == 0) || attached > 1 {
				t.Errorf("attached %d times", attached)
			}
		})
	}
}
