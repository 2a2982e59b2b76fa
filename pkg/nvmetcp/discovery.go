package nvmetcp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/braid-csi/braid/pkg/nvme"
)

// DiscoveryNQN is the name of every discovery subsystem.
const DiscoveryNQN nvme.NQN = "nqn.2014-08.org.nvmexpress.discovery"

// SubsystemType is what a record of the discovery log is about.
type SubsystemType uint8

// The subsystem types.
const (
	DiscoveryReferral SubsystemType = 1
	NVMSubsystem      SubsystemType = 2
	CurrentDiscovery  SubsystemType = 3
)

// DiscoveryRecord is a record of the discovery log: a way to a subsystem.
type DiscoveryRecord struct {
	TransportID  nvme.TransportID
	Type         SubsystemType
	PortID       uint16
	ControllerID uint16
	// AdminQueueSize is the largest admin queue (ASQSZ).
	AdminQueueSize uint16
	SubsystemNQN   nvme.NQN
}

const (
	// DiscoveryRecordSize is the size of a record, and of the header.
	DiscoveryRecordSize = 1024
	transportTCP        = 3
	familyIPv4          = 1
	familyIPv6          = 2
)

// ParseDiscoveryHeader reads the beginning of the discovery log: the generation
// counter and how many records follow. A log that is read in parts must have
// the same generation from beginning to end.
func ParseDiscoveryHeader(b []byte) (generation, records uint64, err error) {
	if len(b) < 18 {
		return 0, 0, errShort
	}
	if format := binary.LittleEndian.Uint16(b[16:]); format != 0 {
		return 0, 0, fmt.Errorf("discovery log: record format %d", format)
	}
	return binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]), nil
}

// ParseDiscoveryRecord reads one record. ok is false for one whose transport is
// not NVMe over TCP: that is no error, but nothing that Braid could connect.
func ParseDiscoveryRecord(b []byte) (r DiscoveryRecord, ok bool, err error) {
	if len(b) < DiscoveryRecordSize {
		return r, false, errShort
	}
	if b[0] != transportTCP {
		return r, false, nil
	}
	le := binary.LittleEndian
	r = DiscoveryRecord{
		Type: SubsystemType(b[2]), PortID: le.Uint16(b[4:]), ControllerID: le.Uint16(b[6:]), AdminQueueSize: le.Uint16(b[8:]),
	}
	if r.SubsystemNQN, err = parseNQN(b[256:]); err != nil {
		return r, false, fmt.Errorf("discovery log: SUBNQN: %w", err)
	}
	address, service := padded(b[512:768]), padded(b[32:64])
	if r.TransportID, err = parseWay(address, service); err != nil {
		return r, false, fmt.Errorf("discovery log: %s: %w", r.SubsystemNQN, err)
	}
	return r, true, nil
}

// parseWay reads TRADDR and TRSVCID.
func parseWay(address, service string) (nvme.TransportID, error) {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return nvme.TransportID{}, fmt.Errorf("TRADDR: %w", err)
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return nvme.TransportID{}, fmt.Errorf("TRSVCID: %w", err)
	}
	return nvme.ParseAddress(netip.AddrPortFrom(addr, uint16(port)).String())
}

// AppendDiscoveryLog appends a whole discovery log.
func AppendDiscoveryLog(b []byte, generation uint64, records []DiscoveryRecord) []byte {
	start := len(b)
	b = append(b, make([]byte, DiscoveryRecordSize)...)
	binary.LittleEndian.PutUint64(b[start:], generation)
	binary.LittleEndian.PutUint64(b[start+8:], uint64(len(records)))
	for _, r := range records {
		b = r.append(b)
	}
	return b
}

func (r DiscoveryRecord) append(b []byte) []byte {
	start := len(b)
	b = append(b, make([]byte, DiscoveryRecordSize)...)
	p, le := b[start:], binary.LittleEndian
	p[0], p[1], p[2] = transportTCP, familyIPv4, byte(r.Type)
	if addr, err := netip.ParseAddr(r.TransportID.TrAddr); err == nil && addr.Is6() {
		p[1] = familyIPv6
	}
	le.PutUint16(p[4:], r.PortID)
	le.PutUint16(p[6:], r.ControllerID)
	le.PutUint16(p[8:], r.AdminQueueSize)
	putPadded(p[32:64], r.TransportID.TrSvcID)
	copy(p[256:][:nvme.MaxNQNLength], r.SubsystemNQN)
	putPadded(p[512:768], r.TransportID.TrAddr)
	return b
}
