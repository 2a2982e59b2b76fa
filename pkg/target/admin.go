package target

import (
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// maxIOQueues is how many I/O queues a controller has at most.
const maxIOQueues = 128

// admin executes an admin command.
func (c *conn) admin(cmd *nvmetcp.Command) error {
	k := c.controller
	if cmd.Opcode == nvmetcp.KeepAlive {
		k.keepAlive()
		return c.complete(cmd.CID, nvme.StatusSuccess, 0)
	}
	if !k.ready() {
		return c.complete(cmd.CID, nvme.StatusCommandSequenceError|nvme.DNR, 0)
	}
	switch cmd.Opcode {
	case nvmetcp.Identify:
		data, status := k.identify(cmd)
		return c.answerOr(cmd, data, status)
	case nvmetcp.GetLogPage:
		data, status := k.log(cmd.Log())
		return c.answerOr(cmd, data, status)
	case nvmetcp.SetFeatures:
		result, status := k.setFeature(cmd)
		return c.complete(cmd.CID, status, result)
	case nvmetcp.GetFeatures:
		result, status := k.feature(cmd.Feature())
		return c.complete(cmd.CID, status, result)
	case nvmetcp.AsyncEventRequest:
		if status := k.awaitEvent(cmd.CID); status != nvme.StatusSuccess {
			return c.complete(cmd.CID, status, 0)
		}
		return nil
	case nvmetcp.Abort:
		const notAborted = 1
		return c.complete(cmd.CID, nvme.StatusSuccess, notAborted)
	}
	return c.complete(cmd.CID, nvme.StatusInvalidOpcode|nvme.DNR, 0)
}

// answerOr sends data, or the status if it is no success.
func (c *conn) answerOr(cmd *nvmetcp.Command, data []byte, status nvme.Status) error {
	if status != nvme.StatusSuccess {
		return c.complete(cmd.CID, status, 0)
	}
	return c.answer(cmd, data)
}

func (k *controller) setFeature(cmd *nvmetcp.Command) (result uint64, status nvme.Status) {
	value := cmd.Dwords[1]
	switch id := cmd.Feature(); {
	case id == nvmetcp.FeatureNumberOfQueues && !k.subsystem.discovery:
		if value&0xffff == 0xffff || value>>16 == 0xffff {
			return 0, nvme.StatusInvalidField | nvme.DNR
		}
		n := min(value&0xffff, value>>16, maxIOQueues-1) // 0-based
		return uint64(n | n<<16), nvme.StatusSuccess
	case id == nvmetcp.FeatureAsyncEvents:
		k.setEventConfig(value)
	case id == nvmetcp.FeatureKeepAlive:
		k.setKATO(time.Duration(value) * time.Millisecond)
	case id == nvmetcp.FeatureVolatileWriteCache && !k.subsystem.discovery:
		return 0, nvme.StatusFeatureNotChangeable | nvme.DNR
	default:
		return 0, nvme.StatusInvalidField | nvme.DNR
	}
	return 0, nvme.StatusSuccess
}

func (k *controller) feature(id nvmetcp.FeatureID) (result uint64, status nvme.Status) {
	switch id {
	case nvmetcp.FeatureNumberOfQueues:
		return (maxIOQueues - 1) | (maxIOQueues-1)<<16, nvme.StatusSuccess
	case nvmetcp.FeatureAsyncEvents:
		return uint64(k.eventConfig()), nvme.StatusSuccess
	case nvmetcp.FeatureKeepAlive:
		k.mu.Lock()
		defer k.mu.Unlock()
		return uint64(k.kato.Milliseconds()), nvme.StatusSuccess
	case nvmetcp.FeatureVolatileWriteCache:
		return 1, nvme.StatusSuccess
	}
	return 0, nvme.StatusInvalidField | nvme.DNR
}
