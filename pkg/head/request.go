package head

import (
	"time"

	"github.com/braid-csi/braid/pkg/host"
	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// Request is one read, write, flush, write zeroes or discard of a head. Its
// owner uses it again and again: nothing is allocated for an I/O. From Submit
// until Done it belongs to the head, and nothing of it may be touched; the data
// of a write must stay as it is, for it may be sent more than once.
//
// Requests that are on their way together have no order, and of two that change
// the same block, either may win. Whoever wants an order waits for Done.
type Request struct {
	// Op is nvmetcp.Read, Write, Flush, WriteZeroes or DatasetManagement, which
	// discards (deallocates) the range.
	Op nvmetcp.Opcode
	// FUA makes a write or write zeroes durable before it completes.
	FUA bool
	// Start and Blocks are the range, in logical blocks. A flush has none.
	Start  uint64
	Blocks uint32
	// Data is what is written, or where to read: Blocks blocks.
	Data []byte

	// Node is the NUMA node of the submitter, for the policy numa.
	Node int
	// Queue chooses among the I/O queues of a controller; a submitter has best
	// one number of its own.
	Queue uint

	// Done is called once for each Submit, never within it, without locks held.
	// It must not block. It may submit this Request or others.
	Done func(*Request)
	// Status is how the request ended. StatusHostPathError is for one that found
	// no path in time, StatusAbortedSQDeletion for one of a head that was closed.
	Status nvme.Status

	head      *Head
	command   host.Request
	discard   [nvmetcp.DSMRangeSize]byte
	path      *Path // that it is on, or was on last
	left      *Path // that it has failed over from
	retries   int
	marked    bool      // it has a range in doubt
	notBefore time.Time // for a retry, or the end of a window
	since     time.Time // when it was parked
	next      *Request  // in a list
}

// maxBlocks is the most blocks that one command can have; a discard can have
// more.
const maxBlocks = 1 << 16

// build makes the command. A status other than success says what is wrong with
// the request.
func (r *Request) build(g geometry) nvme.Status {
	c := &r.command.Command
	*c = nvmetcp.Command{Opcode: r.Op, NSID: g.nsid}
	r.command.Data = nil
	if r.Op == nvmetcp.Flush {
		return nvme.StatusSuccess
	}
	if r.Start > g.blocks || uint64(r.Blocks) > g.blocks-r.Start {
		return nvme.StatusLBAOutOfRange | nvme.DNR
	}
	if r.Blocks == 0 || r.Op != nvmetcp.DatasetManagement && r.Blocks > maxBlocks {
		return nvme.StatusInvalidField | nvme.DNR
	}
	c.SetBlocks(r.Start, r.Blocks)
	switch r.Op {
	case nvmetcp.Read, nvmetcp.Write:
		n := uint64(r.Blocks) << g.blockShift
		if uint64(len(r.Data)) != n || n > g.maxTransfer {
			return nvme.StatusInvalidField | nvme.DNR
		}
		r.command.Data = r.Data
	case nvmetcp.WriteZeroes:
	case nvmetcp.DatasetManagement:
		c.Dwords = [6]uint32{1: nvmetcp.DSMDeallocate}
		r.command.Data = nvmetcp.AppendDSMRange(r.discard[:0], nvmetcp.DSMRange{Start: r.Start, Blocks: r.Blocks})
		return nvme.StatusSuccess
	default:
		return nvme.StatusInvalidOpcode | nvme.DNR
	}
	if r.FUA {
		c.Dwords[2] |= nvmetcp.ForceUnitAccess
	}
	return nvme.StatusSuccess
}

// geometry is what a request must fit into.
type geometry struct {
	nsid        uint32
	blocks      uint64
	blockShift  uint8
	maxTransfer uint64 // in bytes
}
