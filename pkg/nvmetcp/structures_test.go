package nvmetcp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/nvme"
)

const testNQN = "nqn.2026-11.test.braid:s1"

func id(t testing.TB, typ nvme.IDType, s string) nvme.NamespaceID {
	t.Helper()
	v, err := nvme.ParseNamespaceID(typ, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func fullController() IdentifyController {
	return IdentifyController{
		Serial: "0123456789", Model: "Braid target", Firmware: "1", MultiPath: CMICMultiPort | CMICANA, MaxTransfer: 8,
		ControllerID: 77, Version: Version14, Events: NoticeANA, Attributes: CTRATTTrafficKATO, Type: IOController,
		RetryDelays: [3]uint16{1, 2, 3}, AbortLimit: 3, AsyncEventLimit: 4, LogAttributes: LPAExtended, KeepAliveGranularity: 1,
		ANATransitionTime: 10, ANACapabilities: ANACAPAllStates, MaxANAGroupID: 128, ANAGroups: 16, QuiesceTime: 2500,
		MaxCommands: 128, Namespaces: 1024, MaxNamespaces: 1024, Optional: ONCSDatasetMgmt, WriteCache: VWCPresent,
		SGLs: SGLSSupported, SubsystemNQN: testNQN, CapsuleCommandSize: 516, CapsuleResponseSize: 1,
	}
}

func fullNamespace() IdentifyNamespace {
	return IdentifyNamespace{Blocks: 1 << 40, BlockShift: 12, Thin: true, Shared: true, ReadsZero: true, ANAGroupID: 3}
}

// TestStructures writes each structure and reads it back, whole and cut off.
func TestStructures(t *testing.T) {
	controller, namespace := fullController(), fullNamespace()
	connect := ConnectData{HostID: [16]byte{1, 15: 16}, ControllerID: DynamicController, SubsystemNQN: testNQN, HostNQN: "nqn.2026-11.test.braid:h"}
	ids := []nvme.NamespaceID{
		id(t, nvme.UUID, "0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190807"), id(t, nvme.NGUID, "0c7f0c1e7d4f4f4c9a3f3c1b2a190807"), id(t, nvme.EUI64, "0025385a11215a3b"),
	}
	described, err := AppendNamespaceDescriptors(nil, ids)
	if err != nil {
		t.Fatal(err)
	}
	groups := []ANAGroup{
		{ID: 1, ChangeCount: 4, State: nvme.ANAOptimized, Namespaces: []uint32{1, 2, 1024}},
		{ID: 9, State: nvme.ANAChange}, {ID: 128, State: nvme.ANAPersistentLoss, Namespaces: []uint32{3}},
	}
	way, err := nvme.ParseAddress("[2001:db8::1]:4421")
	if err != nil {
		t.Fatal(err)
	}
	record := DiscoveryRecord{TransportID: way, Type: NVMSubsystem, PortID: 2, ControllerID: DynamicController, AdminQueueSize: 32, SubsystemNQN: testNQN}
	type log struct {
		Changes uint64
		Groups  []ANAGroup
	}
	for _, tc := range []struct {
		name  string
		want  any
		wire  []byte
		parse func([]byte) (any, error)
	}{
		{"identify controller", controller, controller.Append(nil), func(b []byte) (any, error) { return ParseIdentifyController(b) }},
		{"identify namespace", namespace, namespace.Append(nil), func(b []byte) (any, error) { return ParseIdentifyNamespace(b) }},
		{"active namespaces", []uint32{1, 5, 1024}, AppendActiveNamespaces(nil, []uint32{1, 5, 1024}), func(b []byte) (any, error) { return ParseActiveNamespaces(b) }},
		{"namespace descriptors", ids, described, func(b []byte) (any, error) { return ParseNamespaceDescriptors(b) }},
		{"connect data", connect, connect.Append(nil), func(b []byte) (any, error) { return ParseConnectData(b) }},
		{"ANA log", log{7, groups}, AppendANALog(nil, 7, groups), func(b []byte) (any, error) {
			c, g, err := ParseANALog(b)
			return log{c, g}, err
		}},
		{"discovery record", record, AppendDiscoveryLog(nil, 1, []DiscoveryRecord{record})[DiscoveryRecordSize:], func(b []byte) (any, error) {
			r, ok, err := ParseDiscoveryRecord(b)
			if err == nil && !ok {
				err = fmt.Errorf("not NVMe/TCP")
			}
			return r, err
		}},
		{"DSM range", DSMRange{1, 2, 3}, AppendDSMRange(nil, DSMRange{1, 2, 3}), func(b []byte) (any, error) { return ParseDSMRange(b) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := tc.parse(tc.wire)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			for n := range tc.wire {
				if _, err := tc.parse(tc.wire[:n]); err == nil {
					t.Errorf("the first %d of %d bytes were accepted", n, len(tc.wire))
				}
			}
		})
	}
}

// TestRefused has structures that are wrong in one place.
func TestRefused(t *testing.T) {
	controller := func(change func(*IdentifyController)) []byte {
		c := fullController()
		change(&c)
		return c.Append(nil)
	}
	namespace := func(change func([]byte)) []byte {
		n := fullNamespace()
		b := n.Append(nil)
		change(b)
		return b
	}
	log := func(change func([]byte)) []byte {
		b := AppendANALog(nil, 1, []ANAGroup{{ID: 1, State: nvme.ANAOptimized, Namespaces: []uint32{1}}})
		change(b)
		return b
	}
	head := func(b ...byte) []byte { return page(b, IdentifySize) }
	identifyController := func(b []byte) error { _, err := ParseIdentifyController(b); return err }
	identifyNamespace := func(b []byte) error { _, err := ParseIdentifyNamespace(b); return err }
	anaLog := func(b []byte) error { _, _, err := ParseANALog(b); return err }
	descriptors := func(b []byte) error { _, err := ParseNamespaceDescriptors(b); return err }
	active := func(b []byte) error { _, err := ParseActiveNamespaces(b); return err }
	for _, tc := range []struct {
		name  string
		wire  []byte
		parse func([]byte) error
		want  string
	}{
		{"capsule of 64 GiB", controller(func(c *IdentifyController) { c.CapsuleCommandSize = 0xffffffff }), identifyController, "IOCCSZ"},
		{"capsule without room for a command", controller(func(c *IdentifyController) { c.CapsuleCommandSize = 3 }), identifyController, "IOCCSZ"},
		{"no response capsule", controller(func(c *IdentifyController) { c.CapsuleResponseSize = 0 }), identifyController, "IORCSZ"},
		{"capsule data offset", controller(func(c *IdentifyController) { c.CapsuleDataOffset = 1 }), identifyController, "ICDOFF"},
		{"ANA without groups", controller(func(c *IdentifyController) { c.ANAGroups = 0 }), identifyController, "NANAGRPID"},
		{"more ANA groups than IDs", controller(func(c *IdentifyController) { c.ANAGroups = 129 }), identifyController, "NANAGRPID"},
		{"more namespaces than NSIDs", controller(func(c *IdentifyController) { c.MaxNamespaces = 1025 }), identifyController, "MNAN"},
		{"no keep alive", controller(func(c *IdentifyController) { c.KeepAliveGranularity = 0 }), identifyController, "KAS"},
		{"no subsystem NQN", controller(func(c *IdentifyController) { c.SubsystemNQN = "" }), identifyController, "SUBNQN"},
		{"block of 2 bytes", namespace(func(b []byte) { b[formatsAt+2] = 1 }), identifyNamespace, "LBADS 1"},
		{"block of 2^200 bytes", namespace(func(b []byte) { b[formatsAt+2] = 200 }), identifyNamespace, "LBADS 200"},
		{"more bytes than an offset can count", namespace(func(b []byte) { b[7] = 0xff }), identifyNamespace, "NSZE"},
		{"metadata", namespace(func(b []byte) { b[formatsAt] = 8 }), identifyNamespace, "metadata"},
		{"format that is not described", namespace(func(b []byte) { b[26] = 5 }), identifyNamespace, "LBADS 0"},
		{"more groups than the log has", log(func(b []byte) { b[8] = 2 }), anaLog, "cut off"},
		{"more namespaces than the log has", log(func(b []byte) { b[16+4] = 2 }), anaLog, "cut off"},
		{"2^32 - 1 namespaces", log(func(b []byte) { binary.LittleEndian.PutUint32(b[16+4:], 0xffffffff) }), anaLog, "cut off"},
		{"group 0", log(func(b []byte) { b[16] = 0 }), anaLog, "ID 0"},
		{"UUID of 15 bytes", head(3, 15), descriptors, "15 bytes"},
		{"all zeros", head(3, 16), descriptors, "all zeros"},
		{"beyond the page", bytes.Repeat(append([]byte{200, 255}, make([]byte, 257)...), 16)[:IdentifySize], descriptors, "length 255"},
		{"NSIDs out of order", head(2, 0, 0, 0, 1), active, "1 after 2"},
		{"the same NSID twice", head(2, 0, 0, 0, 2), active, "2 after 2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := tc.parse(tc.wire)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
}

// TestANAStates: what the wire calls unknown is unknown.
func TestANAStates(t *testing.T) {
	for code := range 256 {
		b := AppendANALog(nil, 1, []ANAGroup{{ID: 1, State: nvme.ANAOptimized}})
		b[16+16] = byte(code)
		_, groups, err := ParseANALog(b)
		if err != nil {
			t.Fatal(err)
		}
		want := map[int]nvme.ANAState{
			1: nvme.ANAOptimized, 2: nvme.ANANonOptimized, 3: nvme.ANAInaccessible, 4: nvme.ANAPersistentLoss, 15: nvme.ANAChange,
		}[code&15]
		if want == "" {
			want = nvme.ANAUnknown
		}
		if groups[0].State != want {
			t.Errorf("state 0x%02x is %s, want %s", code, groups[0].State, want)
		}
	}
}

// TestCommandFields: what a command asks for is what was asked for.
func TestCommandFields(t *testing.T) {
	var c Command
	for _, want := range []LogRequest{
		{Log: LogANA, Length: 4}, {Log: LogANA, Length: 8208, Specific: ANAGroupsOnly, Retain: true},
		{Log: LogDiscovery, Length: 1 << 32, Offset: 1<<40 + 4}, {Log: LogANA, Length: 1 << 18},
	} {
		c.SetLog(want)
		if got := c.Log(); got != want {
			t.Errorf("log %+v, want %+v", got, want)
		}
	}
	for _, want := range []ConnectRequest{{QueueID: 5, QueueSize: 127, NoFlowControl: true}, {Format: 1, QueueSize: 31, KeepAlive: 5000}} {
		c = Command{}
		c.SetConnect(want)
		if got := c.Connect(); got != want || c.Opcode != Fabrics || c.FabricsType() != Connect {
			t.Errorf("%s %02x: %+v, want %+v", "connect", c.FabricsType(), got, want)
		}
	}
	for _, p := range []Property{PropertyCAP, PropertyVS, PropertyCC, PropertyCSTS} {
		c = Command{}
		c.SetPropertySet(p, 0x1122334455667788)
		if got, value, ok := c.Property(); got != p || value != 0x1122334455667788 || !ok {
			t.Errorf("property 0x%x read back as 0x%x, 0x%x, %t", p, got, value, ok)
		}
		c.Dwords[0] ^= 1 // the other size
		if _, _, ok := c.Property(); ok {
			t.Errorf("property 0x%x of the wrong size was accepted", p)
		}
	}
	c = Command{}
	c.SetBlocks(1<<40+3, 65536)
	c.Dwords[2] |= ForceUnitAccess
	if start, n := c.Blocks(); start != 1<<40+3 || n != 65536 || !c.FUA() {
		t.Errorf("blocks %d, %d, FUA %t", start, n, c.FUA())
	}
	event := Event{Type: EventNotice, Info: ANAChanged, Log: LogANA}
	if got := ParseEvent(event.Result()); got != event || event.Result() != 0x0c0302 {
		t.Errorf("event %+v (0x%x), want %+v", got, event.Result(), event)
	}
	capabilities := Capabilities{MaxQueueEntries: 127, Timeout: 15}
	if got := ParseCapabilities(capabilities.Value()); got != capabilities {
		t.Errorf("capabilities %+v, want %+v", got, capabilities)
	}
}

func TestConfiguration(t *testing.T) {
	for _, tc := range []struct {
		cc                       Configuration
		enabled, valid, shutdown bool
	}{
		{0x460061, true, true, false}, // what Linux 7.2 writes
		{0x464061, true, true, true},
		{EnableConfiguration, true, true, false},
		{ShutdownConfiguration, true, true, true},
		{0, false, false, false},
		{0x460081, true, false, false}, // pages of 8 KiB
		{0x470061, true, false, false}, // entries of 128 bytes
		{0x460871, true, false, false}, // command set 7, weighted arbitration
	} {
		if tc.cc.Enabled() != tc.enabled || tc.cc.Valid() != tc.valid || tc.cc.Shutdown() != tc.shutdown {
			t.Errorf("CC 0x%x: enabled %t, valid %t, shutdown %t", uint32(tc.cc), tc.cc.Enabled(), tc.cc.Valid(), tc.cc.Shutdown())
		}
	}
}
