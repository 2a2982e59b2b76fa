package target

import (
	"bytes"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// check tells what is wrong with a command before anything is done.
func (n *namespace) check(cmd *nvmetcp.Command) nvme.Status {
	switch cmd.Opcode {
	case nvmetcp.Flush:
		return nvme.StatusSuccess
	case nvmetcp.DatasetManagement:
		// Linux always sends the largest list (drivers/nvme/host/core.c,
		// nvme_setup_discard).
		if length := int(cmd.SGL.Length); length < cmd.DSMRanges()*nvmetcp.DSMRangeSize || length > nvmetcp.IdentifySize {
			return nvme.StatusSGLDataLengthInvalid | nvme.DNR
		}
		return nvme.StatusSuccess
	case nvmetcp.Read, nvmetcp.Write, nvmetcp.Compare, nvmetcp.WriteZeroes:
	default:
		return nvme.StatusInvalidOpcode | nvme.DNR
	}
	start, blocks := cmd.Blocks()
	_, length, ok := n.extent(start, blocks)
	switch {
	case !ok:
		return nvme.StatusLBAOutOfRange | nvme.DNR
	case cmd.Opcode == nvmetcp.WriteZeroes:
		return nvme.StatusSuccess
	case length > maxTransfer:
		return nvme.StatusInvalidField | nvme.DNR
	case length != int64(cmd.SGL.Length):
		return nvme.StatusSGLDataLengthInvalid | nvme.DNR
	}
	return nvme.StatusSuccess
}

// execute does what a command says that check has found right, with the data
// that the host sent. Reads have a way of their own.
func (n *namespace) execute(cmd *nvmetcp.Command, data []byte) nvme.Status {
	start, blocks := cmd.Blocks()
	offset, length, _ := n.extent(start, blocks)
	var err error
	switch cmd.Opcode {
	case nvmetcp.Flush:
		err = n.Sync()
	case nvmetcp.Write:
		_, err = n.WriteAt(data, offset)
	case nvmetcp.WriteZeroes:
		err = n.Zero(offset, length)
	case nvmetcp.Compare:
		return n.compare(data, offset)
	case nvmetcp.DatasetManagement:
		return n.manage(cmd, data)
	}
	if err == nil && cmd.FUA() && cmd.Opcode.ChangesData() {
		err = n.Sync()
	}
	if err != nil {
		return nvme.StatusWriteFault
	}
	return nvme.StatusSuccess
}

func (n *namespace) compare(data []byte, offset int64) nvme.Status {
	have := make([]byte, len(data))
	if _, err := n.ReadAt(have, offset); err != nil {
		return nvme.StatusReadFault
	}
	if !bytes.Equal(have, data) {
		return nvme.StatusCompareFailure | nvme.DNR
	}
	return nvme.StatusSuccess
}

// manage deallocates ranges. All are checked before the first is touched; the
// other attributes are hints that it need not take.
func (n *namespace) manage(cmd *nvmetcp.Command, data []byte) nvme.Status {
	if cmd.Dwords[1]&nvmetcp.DSMDeallocate == 0 {
		return nvme.StatusSuccess
	}
	ranges := make([]nvmetcp.DSMRange, cmd.DSMRanges())
	for i := range ranges {
		var err error
		if ranges[i], err = nvmetcp.ParseDSMRange(data[i*nvmetcp.DSMRangeSize:]); err != nil {
			return nvme.StatusSGLDataLengthInvalid | nvme.DNR
		}
		if _, _, ok := n.extent(ranges[i].Start, ranges[i].Blocks); !ok {
			return nvme.StatusLBAOutOfRange | nvme.DNR
		}
	}
	for _, r := range ranges {
		offset, length, _ := n.extent(r.Start, r.Blocks)
		if length == 0 {
			continue
		}
		if err := n.Zero(offset, length); err != nil {
			return nvme.StatusWriteFault
		}
	}
	return nvme.StatusSuccess
}
