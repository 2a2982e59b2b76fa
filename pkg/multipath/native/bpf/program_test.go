package bpf

import (
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestInstructions shows the programs, instruction by instruction.
func TestInstructions(t *testing.T) {
	l := layout{queue: 8, disk: 192, diskseq: 1040, argument: 112}
	for name, p := range map[string]asm.Instructions{
		"fentry":  failoverInstructions(Fentry, l, 3, 4),
		"kprobe":  failoverInstructions(Kprobe, l, 3, 4),
		"resets":  resetInstructions(controllerLayout{device: 24, directory: 48, inode: 96, resetting: 2}, 3),
		"retries": requestInstructions(l, 3),
		"errors":  errorInstructions(l, 264, 3),
	} {
		t.Run(name, func(t *testing.T) {
			if err := p.Marshal(io.Discard, binary.LittleEndian); err != nil {
				t.Errorf("no kernel takes this: %v", err)
			}
			got := fmt.Sprintf("%v", p)
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("the program for %s (-want +got):\n%s", name, diff)
			}
		})
	}
}

// TestInstructionsFollowTheLayout: every offset of the layout is in the program,
// and a request is followed in the right order.
func TestInstructionsFollowTheLayout(t *testing.T) {
	l := layout{queue: 16, disk: 24, diskseq: 32, argument: 40}
	var fentry, kprobe []int16
	for _, i := range failoverInstructions(Fentry, l, 3, 4) {
		if i.OpCode == asm.LoadMemOp(asm.DWord) {
			fentry = append(fentry, i.Offset)
		}
	}
	for _, i := range failoverInstructions(Kprobe, l, 3, 4) {
		if i.OpCode == asm.Add.Op(asm.ImmSource) && i.Dst == asm.R3 && i.Constant > 0 {
			kprobe = append(kprobe, int16(i.Constant))
		}
	}
	if want := []int16{0, 16, 24, 32}; !slices.Equal(fentry, want) {
		t.Errorf("fentry reads at %v, want %v", fentry, want)
	}
	if want := []int16{16, 24, 32}; !slices.Equal(kprobe, want) {
		t.Errorf("kprobe reads at %v, want %v", kprobe, want)
	}
}

func TestOutdated(t *testing.T) {
	counts := map[uint64]uint64{}
	for diskseq := uint64(1); diskseq <= keepGone+10; diskseq++ {
		counts[diskseq] = 1
	}
	for _, tc := range []struct {
		name string
		live func(uint64) bool
		want []uint64
	}{
		{"all live", func(uint64) bool { return true }, nil},
		{"as many gone as are kept", func(d uint64) bool { return d <= 10 }, nil},
		{"the oldest go first", func(d uint64) bool { return d > 1 && d <= 9 }, []uint64{1, 10}},
		{"all gone", func(uint64) bool { return false }, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
	} {
		if got := outdated(counts, tc.live); !slices.Equal(got, tc.want) {
			t.Errorf("%s: forgets %v, want %v", tc.name, got, tc.want)
		}
	}
}
