package driver

import (
	"fmt"
	"strings"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/braid-csi/braid/pkg/health"
)

// What CSI 1.3 to 1.12 had for a volume's health, and kubelet up to 1.36 reads
// (feature gate CSIVolumeHealth). CSI 1.13 has replaced it, and reserved the
// numbers: there are no types for it any more, so it is written by hand.
const (
	// legacyVolumeCondition is NodeServiceCapability.RPC.VOLUME_CONDITION.
	legacyVolumeCondition csi.NodeServiceCapability_RPC_Type = 4
	// legacyCondition is NodeGetVolumeStatsResponse.volume_condition, a
	// VolumeCondition with the other two.
	legacyCondition protowire.Number = 2
	legacyAbnormal  protowire.Number = 1 // bool
	legacyMessage   protowire.Number = 2 // string
)

// withCondition adds a volume's condition to the answer about its usage. While
// nothing is known there is no answer: kubelet takes one without a condition
// for a healthy volume. If it is known what is wrong, usage that cannot be had
// is no error: with a condition kubelet wants none.
func (d *Driver) withCondition(id string, res *csi.NodeGetVolumeStatsResponse, err error) (*csi.NodeGetVolumeStatsResponse, error) {
	if !d.Health.Ready() {
		return nil, fmt.Errorf("%w: no scan of the paths has finished since the start", errNotReady)
	}
	found, _ := d.Health.Findings(id)
	found = health.Guard(found)
	if err != nil {
		if len(found) == 0 {
			return nil, err
		}
		res = &csi.NodeGetVolumeStatsResponse{}
	}
	res.ProtoReflect().SetUnknown(conditionField(found))
	return res, nil
}

// conditionField is the field with its tag, as it goes over the wire.
func conditionField(found []health.Finding) []byte {
	var c []byte
	if len(found) > 0 {
		c = protowire.AppendTag(c, legacyAbnormal, protowire.VarintType)
		c = protowire.AppendVarint(c, protowire.EncodeBool(true))
	}
	c = protowire.AppendTag(c, legacyMessage, protowire.BytesType)
	c = protowire.AppendString(c, conditionMessage(found))
	return protowire.AppendBytes(protowire.AppendTag(nil, legacyCondition, protowire.BytesType), c)
}

// conditionMessage says what is wrong, the worst of it in full. It is required
// also of a healthy volume.
func conditionMessage(found []health.Finding) string {
	if len(found) == 0 {
		return "healthy"
	}
	says := fmt.Sprintf("%s: %s", found[0].Reason, found[0].Message)
	if len(found) == 1 {
		return says
	}
	var others []string
	for _, f := range found[1:] {
		others = append(others, string(f.Reason))
	}
	return fmt.Sprintf("%s (also: %s)", says, strings.Join(others, ", "))
}
