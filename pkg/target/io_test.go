package target

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
	"github.com/braid-csi/braid/pkg/target/targettest"
)

// TestReadWrite moves data of all sizes, in the capsule and by R2T, with every
// combination of digests, over memory and over a file.
func TestReadWrite(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(name, make([]byte, testSize), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, backing := range []string{"", name} {
		for digests := range nvmetcp.Digests(4) {
			for _, noFlowControl := range []bool{false, true} {
				t.Run(fmt.Sprintf("file %t digests %d flow control %t", backing != "", digests, !noFlowControl), func(t *testing.T) {
					cfg := testConfig()
					if n := &cfg.Subsystems[0].Namespaces[0]; backing != "" {
						n.File, n.Size = backing, 0
					}
					h := connectHost(t, startTarget(t, cfg), hostOptions{digests: digests, noFlowControl: noFlowControl})
					start := uint64(3)
					for i, n := range []int{512, 4096, inCapsule, inCapsule + 512, maxData, maxData + 512, maxTransfer} {
						data := targettest.Pattern(i, n)
						if status := h.io.write(start, data); status != nvme.StatusSuccess {
							t.Fatalf("writing %d bytes: %s", n, status)
						}
						targettest.WantBytes(t, fmt.Sprintf("%d bytes at block %d", n, start), h.io.read(start, n), data)
						start += uint64(n / 512)
					}
					targettest.WantBytes(t, "the block before", h.io.read(2, 512), make([]byte, 512))
				})
			}
		}
	}
}

// TestDiscard: blocks that were zeroed or deallocated read as zeros, and their
// neighbours as before.
func TestDiscard(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(name, make([]byte, testSize), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, backing := range []string{"", name} {
		t.Run(fmt.Sprintf("file %t", backing != ""), func(t *testing.T) {
			cfg := testConfig()
			if n := &cfg.Subsystems[0].Namespaces[0]; backing != "" {
				n.File, n.Size = backing, 0
			}
			h := connectHost(t, startTarget(t, cfg), hostOptions{})
			data := targettest.Pattern(1, maxTransfer)
			if status := h.io.write(0, data); status != nvme.StatusSuccess {
				t.Fatal(status)
			}
			zeroes := nvmetcp.Command{Opcode: nvmetcp.WriteZeroes, NSID: 1}
			zeroes.SetBlocks(10, 1000) // over the end of a chunk
			h.io.must(zeroes, nil)
			clear(data[10*512 : 1010*512])

			dsm := nvmetcp.Command{Opcode: nvmetcp.DatasetManagement, NSID: 1}
			dsm.Dwords[0], dsm.Dwords[1] = 1, nvmetcp.DSMDeallocate
			var ranges []byte
			for _, r := range []nvmetcp.DSMRange{{Start: 1200, Blocks: 3}, {Start: 1500, Blocks: 513}} {
				ranges = nvmetcp.AppendDSMRange(ranges, r)
				clear(data[r.Start*512 : (r.Start+uint64(r.Blocks))*512])
			}
			h.io.must(dsm, append(ranges, make([]byte, 4096-len(ranges))...))
			targettest.WantBytes(t, "all", h.io.read(0, len(data)), data)

			// A hint that is no deallocation changes nothing.
			dsm.Dwords[1] = 1
			h.io.must(dsm, nvmetcp.AppendDSMRange(nvmetcp.AppendDSMRange(nil, nvmetcp.DSMRange{Blocks: 8}), nvmetcp.DSMRange{}))
			h.io.must(nvmetcp.Command{Opcode: nvmetcp.Flush, NSID: 1}, nil)
			targettest.WantBytes(t, "after a hint", h.io.read(0, len(data)), data)
		})
	}
}

func TestCompare(t *testing.T) {
	h := connectHost(t, startTarget(t, testConfig()), hostOptions{})
	data := targettest.Pattern(1, 4096)
	h.io.write(8, data)
	h.io.must(rw(nvmetcp.Compare, 8, 4096), data)
	data[4095]++
	if got, want := h.io.do(rw(nvmetcp.Compare, 8, 4096), data).Status, nvme.StatusCompareFailure|nvme.DNR; got != want {
		t.Errorf("comparing other data: %s, want %s", got, want)
	}
}

// TestBadCommands: each is answered, and the queue goes on.
func TestBadCommands(t *testing.T) {
	h := connectHost(t, startTarget(t, testConfig()), hostOptions{})
	const last = testSize/512 - 1
	with := func(c nvmetcp.Command, change func(*nvmetcp.Command)) nvmetcp.Command {
		change(&c)
		return c
	}
	ranges := nvmetcp.AppendDSMRange(nil, nvmetcp.DSMRange{Start: last, Blocks: 2})
	for _, tc := range []struct {
		name string
		cmd  nvmetcp.Command
		data []byte
		want nvme.Status
	}{
		{"NSID 0", with(rw(nvmetcp.Read, 0, 512), func(c *nvmetcp.Command) { c.NSID = 0 }), nil, nvme.StatusInvalidNamespace},
		{"NSID of nobody", with(rw(nvmetcp.Read, 0, 512), func(c *nvmetcp.Command) { c.NSID = 2 }), nil, nvme.StatusInvalidNamespace},
		{"all NSIDs", with(rw(nvmetcp.Read, 0, 512), func(c *nvmetcp.Command) { c.NSID = 0xffffffff }), nil, nvme.StatusInvalidNamespace},
		{"opcode", nvmetcp.Command{Opcode: 0x7d, NSID: 1}, nil, nvme.StatusInvalidOpcode},
		{"read over the end", rw(nvmetcp.Read, last, 1024), nil, nvme.StatusLBAOutOfRange},
		{"read far beyond it", rw(nvmetcp.Read, 1<<63, 512), nil, nvme.StatusLBAOutOfRange},
		{"read at the last number", rw(nvmetcp.Read, 1<<64-1, 1024), nil, nvme.StatusLBAOutOfRange},
		{"zeroes over the end", with(rw(nvmetcp.WriteZeroes, last, 1024), func(*nvmetcp.Command) {}), nil, nvme.StatusLBAOutOfRange},
		{"read above MDTS", rw(nvmetcp.Read, 0, maxTransfer+512), nil, nvme.StatusInvalidField},
		{"write above MDTS", rw(nvmetcp.Write, 0, maxTransfer+512), nil, nvme.StatusInvalidField},
		{"SGL too short", with(rw(nvmetcp.Read, 0, 1024), func(c *nvmetcp.Command) { c.SGL.Length = 512 }), nil, nvme.StatusSGLDataLengthInvalid},
		{"SGL of another length than the data", rw(nvmetcp.Write, 0, 1024), make([]byte, 512), nvme.StatusSGLDataLengthInvalid},
		{"SGL of a kind that is not for TCP", with(rw(nvmetcp.Write, 0, 1024), func(c *nvmetcp.Command) { c.SGL.Type = 0x40 }), nil, nvme.StatusSGLTypeInvalid},
		{"deallocating over the end", nvmetcp.Command{Opcode: nvmetcp.DatasetManagement, NSID: 1, Dwords: [6]uint32{0, nvmetcp.DSMDeallocate}}, ranges, nvme.StatusLBAOutOfRange},
		{"more ranges than data", nvmetcp.Command{Opcode: nvmetcp.DatasetManagement, NSID: 1, Dwords: [6]uint32{1, nvmetcp.DSMDeallocate}}, ranges, nvme.StatusSGLDataLengthInvalid},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h.io.t = t
			if got := h.io.do(tc.cmd, tc.data).Status; got != tc.want|nvme.DNR {
				t.Errorf("status %s, want %s", got, tc.want|nvme.DNR)
			}
			targettest.WantBytes(t, "a read after it", h.io.read(0, 512), make([]byte, 512))
		})
	}
}

// TestQueueHead: with flow control every completion says where the queue is.
func TestQueueHead(t *testing.T) {
	h := connectHost(t, startTarget(t, testConfig()), hostOptions{})
	for i := range 2 * maxQueueSize {
		want := uint16(i+2) % maxQueueSize // after Connect and this one
		if got := h.io.do(nvmetcp.Command{Opcode: nvmetcp.Flush, NSID: 1}, nil).SQHead; got != want {
			t.Fatalf("head %d after %d commands, want %d", got, i+2, want)
		}
	}
}

// TestDepth has as many writes outstanding as the queue has entries, each of
// the largest size: more than there is memory for, so some wait for their R2T.
func TestDepth(t *testing.T) {
	h := connectHost(t, startTarget(t, testConfig()), hostOptions{})
	const n, size = maxQueueSize, 128 << 10
	cid := map[uint16]int{}
	for i := range n {
		cid[h.io.start(rw(nvmetcp.Write, uint64(i%8)*size/512, size), nil)] = i
	}
	asked := 0
	for range n {
		q := h.io
		hd, b := q.next()
		for hd.Type == nvmetcp.R2T {
			asked++
			r, err := nvmetcp.ParseR2T(b)
			if err != nil {
				t.Fatal(err)
			}
			data := targettest.Pattern(cid[r.CID]%8, size)
			q.send(append(q.out.AppendH2CData(nil, nvmetcp.DataHeader{CID: r.CID, TTAG: r.TTAG, Length: size, Last: true}), data...))
			hd, b = q.next()
		}
		c, err := nvmetcp.ParseCapsuleCompletion(b)
		if err != nil || c.Status != nvme.StatusSuccess {
			t.Fatalf("%s: %+v, %v", hd.Type, c, err)
		}
	}
	if asked != n {
		t.Errorf("%d R2Ts for %d writes", asked, n)
	}
	for i := range 8 {
		targettest.WantBytes(t, fmt.Sprintf("write %d", i), h.io.read(uint64(i)*size/512, size), targettest.Pattern(i, size))
	}
}
