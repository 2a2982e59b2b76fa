package target

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
	"github.com/braid-csi/braid/pkg/target/targettest"
)

// identify reads a page of identify data.
func (h *testHost) identify(what nvmetcp.IdentifyID, nsid uint32) ([]byte, nvme.Status) {
	h.admin.t.Helper()
	cmd := nvmetcp.Command{Opcode: nvmetcp.Identify, NSID: nsid, SGL: nvmetcp.SGL{Length: nvmetcp.IdentifySize}}
	cmd.Dwords[0] = uint32(what)
	c := h.admin.do(cmd, nil)
	return h.admin.data, c.Status
}

// log reads a log.
func (h *testHost) log(r nvmetcp.LogRequest) ([]byte, nvme.Status) {
	h.admin.t.Helper()
	cmd := nvmetcp.Command{Opcode: nvmetcp.GetLogPage, NSID: 0xffffffff, SGL: nvmetcp.SGL{Length: uint32(r.Length)}}
	cmd.SetLog(r)
	c := h.admin.do(cmd, nil)
	return h.admin.data, c.Status
}

// anaStates are the states of the groups as the log has them.
func (h *testHost) anaStates() map[uint32]nvme.ANAState {
	h.admin.t.Helper()
	b, status := h.log(nvmetcp.LogRequest{Log: nvmetcp.LogANA, Length: 8208})
	_, groups, err := nvmetcp.ParseANALog(b)
	if status != nvme.StatusSuccess || err != nil {
		h.admin.t.Fatalf("ANA log: %s, %v", status, err)
	}
	states := map[uint32]nvme.ANAState{}
	for _, g := range groups {
		states[g.ID] = g.State
	}
	return states
}

func TestIdentify(t *testing.T) {
	cfg := testConfig()
	h := connectHost(t, startTarget(t, cfg), hostOptions{})
	b, status := h.identify(nvmetcp.IdentifyControllerID, 0)
	id, err := nvmetcp.ParseIdentifyController(b)
	if err != nil || status != nvme.StatusSuccess {
		t.Fatalf("%s, %v", status, err)
	}
	if id.ControllerID != h.id || id.SubsystemNQN != testNQN || id.InCapsule() != inCapsule || id.Attributes != nvmetcp.CTRATTTrafficKATO {
		t.Errorf("identify controller: %+v", id)
	}
	if 1<<id.MaxTransfer*4096 != maxTransfer {
		t.Errorf("MDTS %d is not %d bytes", id.MaxTransfer, maxTransfer)
	}
	b, _ = h.identify(nvmetcp.IdentifyActiveID, 0)
	if list, err := nvmetcp.ParseActiveNamespaces(b); err != nil || !cmp.Equal(list, []uint32{1, 5}) {
		t.Errorf("active namespaces %v, %v", list, err)
	}
	b, _ = h.identify(nvmetcp.IdentifyActiveID, 1)
	if list, err := nvmetcp.ParseActiveNamespaces(b); err != nil || !cmp.Equal(list, []uint32{5}) {
		t.Errorf("active namespaces after 1: %v, %v", list, err)
	}
	b, _ = h.identify(nvmetcp.IdentifyNamespaceID, 5)
	n, err := nvmetcp.ParseIdentifyNamespace(b)
	want := nvmetcp.IdentifyNamespace{Blocks: testSize / 512, BlockShift: 9, Thin: true, Shared: true, ReadsZero: true, ANAGroupID: 2}
	if diff := cmp.Diff(want, n); err != nil || diff != "" {
		t.Errorf("identify namespace 5: %v, -want +got\n%s", err, diff)
	}
	b, _ = h.identify(nvmetcp.IdentifyNamespaceID, 2)
	if n, err := nvmetcp.ParseIdentifyNamespace(b); err != nil || n.Blocks != 0 {
		t.Errorf("identify namespace 2, which is not there: %+v, %v", n, err)
	}
	b, _ = h.identify(nvmetcp.IdentifyDescriptorsID, 1)
	if ids, err := nvmetcp.ParseNamespaceDescriptors(b); err != nil || !cmp.Equal(ids, cfg.Subsystems[0].Namespaces[0].IDs) {
		t.Errorf("descriptors of namespace 1: %v, %v", ids, err)
	}
	for _, tc := range []struct {
		what nvmetcp.IdentifyID
		nsid uint32
		want nvme.Status
	}{
		{nvmetcp.IdentifyNamespaceID, 0, nvme.StatusInvalidNamespace},
		{nvmetcp.IdentifyNamespaceID, MaxNSID + 1, nvme.StatusInvalidNamespace},
		{nvmetcp.IdentifyDescriptorsID, 2, nvme.StatusInvalidNamespace},
		{nvmetcp.IdentifyActiveID, 0xffffffff, nvme.StatusInvalidNamespace},
		{0x7f, 0, nvme.StatusInvalidField},
	} {
		if _, status := h.identify(tc.what, tc.nsid); status != tc.want|nvme.DNR {
			t.Errorf("identify 0x%02x of %d: %s, want %s", tc.what, tc.nsid, status, tc.want|nvme.DNR)
		}
	}
}

func TestDiscovery(t *testing.T) {
	tg := startTarget(t, testConfig())
	h := connectHost(t, tg, hostOptions{subsystem: nvmetcp.DiscoveryNQN})
	b, _ := h.identify(nvmetcp.IdentifyControllerID, 0)
	if id, err := nvmetcp.ParseIdentifyController(b); err != nil || id.Type != nvmetcp.DiscoveryController {
		t.Errorf("identify controller: %+v, %v", id, err)
	}
	// In two parts, as hosts read a log whose length they do not know.
	head, _ := h.log(nvmetcp.LogRequest{Log: nvmetcp.LogDiscovery, Length: 1024})
	_, n, err := nvmetcp.ParseDiscoveryHeader(head)
	if err != nil || n != 2 {
		t.Fatalf("%d records, %v; want 2", n, err)
	}
	b, _ = h.log(nvmetcp.LogRequest{Log: nvmetcp.LogDiscovery, Offset: 1024, Length: n * 1024})
	for i := range int(n) {
		r, ok, err := nvmetcp.ParseDiscoveryRecord(b[i*1024:])
		a, aerr := tg.Address(uint16(i + 1))
		if !ok || err != nil || aerr != nil || r.SubsystemNQN != testNQN || r.TransportID.Address() != a.String() || r.PortID != uint16(i+1) {
			t.Errorf("record %d: %+v, %v; want %s at %s", i, r, err, testNQN, a)
		}
	}
	if _, status := h.log(nvmetcp.LogRequest{Log: nvmetcp.LogANA, Length: 16}); status != nvme.StatusInvalidLogPage|nvme.DNR {
		t.Errorf("ANA log of a discovery controller: %s", status)
	}
	q := newQueue(t, dial(t, tg, 1), 0)
	var cmd nvmetcp.Command
	cmd.SetConnect(nvmetcp.ConnectRequest{QueueID: 1, QueueSize: 31})
	if c := q.do(cmd, connectData(nvmetcp.DiscoveryNQN, h.id).Append(nil)); c.Status != nvme.StatusConnectInvalidParameters|nvme.DNR {
		t.Errorf("I/O queue of a discovery controller: %s", c.Status)
	}
}

// TestConnectRefused: the answer names the parameter.
func TestConnectRefused(t *testing.T) {
	tg := startTarget(t, testConfig())
	h := connectHost(t, tg, hostOptions{})
	admin, io := nvmetcp.ConnectRequest{QueueSize: 31}, nvmetcp.ConnectRequest{QueueID: 2, QueueSize: 31}
	with := func(r nvmetcp.ConnectRequest, change func(*nvmetcp.ConnectRequest)) nvmetcp.ConnectRequest {
		change(&r)
		return r
	}
	const parameters = nvme.StatusConnectInvalidParameters | nvme.DNR
	for _, tc := range []struct {
		name   string
		port   uint16
		r      nvmetcp.ConnectRequest
		data   nvmetcp.ConnectData
		status nvme.Status
		offset uint16
		inData bool
	}{
		{"subsystem", 1, admin, connectData("nqn.2026-11.test.braid:nobody", 0xffff), parameters, nvmetcp.ConnectAtSubsystemNQN, true},
		{"no subsystem", 1, admin, connectData("", 0xffff), parameters, nvmetcp.ConnectAtSubsystemNQN, true},
		{"host", 1, admin, nvmetcp.ConnectData{ControllerID: 0xffff, SubsystemNQN: testNQN, HostNQN: "me"}, parameters, nvmetcp.ConnectAtHostNQN, true},
		{"controller that must be new", 1, admin, connectData(testNQN, 1), parameters, nvmetcp.ConnectAtControllerID, true},
		{"queue of no entries", 1, with(admin, func(r *nvmetcp.ConnectRequest) { r.QueueSize = 0 }), connectData(testNQN, 0xffff), parameters, nvmetcp.ConnectAtQueueSize, false},
		{"queue of 65536 entries", 1, with(admin, func(r *nvmetcp.ConnectRequest) { r.QueueSize = 65535 }), connectData(testNQN, 0xffff), parameters, nvmetcp.ConnectAtQueueSize, false},
		{"format", 1, with(admin, func(r *nvmetcp.ConnectRequest) { r.Format = 1 }), connectData(testNQN, 0xffff), nvme.StatusConnectIncompatible | nvme.DNR, 0, false},
		{"controller of nobody", 1, io, connectData(testNQN, 999), nvme.StatusConnectInvalidParameters, nvmetcp.ConnectAtControllerID, true},
		{"controller of another port", 2, io, connectData(testNQN, h.id), parameters, nvmetcp.ConnectAtControllerID, true},
		{"queue that is taken", 1, with(io, func(r *nvmetcp.ConnectRequest) { r.QueueID = 1 }), connectData(testNQN, h.id), parameters, nvmetcp.ConnectAtQueueID, false},
		{"queue beyond all", 1, with(io, func(r *nvmetcp.ConnectRequest) { r.QueueID = maxIOQueues + 1 }), connectData(testNQN, h.id), parameters, nvmetcp.ConnectAtQueueID, false},
		{"queue of another host", 1, io, nvmetcp.ConnectData{HostID: [16]byte{1}, ControllerID: h.id, SubsystemNQN: testNQN, HostNQN: "nqn.2026-11.test.braid:h2"}, nvme.StatusConnectInvalidHost | nvme.DNR, 0, false},
		{"queue of another host ID", 1, io, nvmetcp.ConnectData{ControllerID: h.id, SubsystemNQN: testNQN, HostNQN: testHostNQN}, nvme.StatusConnectInvalidHost | nvme.DNR, 0, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := newQueue(t, dial(t, tg, tc.port), 0)
			var cmd nvmetcp.Command
			cmd.SetConnect(tc.r)
			c := q.do(cmd, tc.data.Append(nil))
			offset, inData := nvmetcp.ParseInvalidParameter(c.Result)
			if c.Status != tc.status || offset != tc.offset || inData != tc.inData {
				t.Errorf("status %s, parameter at %d (in data: %t); want %s, %d (%t)", c.Status, offset, inData, tc.status, tc.offset, tc.inData)
			}
		})
	}
}

// TestBeforeConnect: nothing is answered with success before its time.
func TestBeforeConnect(t *testing.T) {
	tg := startTarget(t, testConfig())
	q := newQueue(t, dial(t, tg, 1), 0)
	var property nvmetcp.Command
	property.SetPropertyGet(nvmetcp.PropertyCAP)
	for _, cmd := range []nvmetcp.Command{property, rw(nvmetcp.Read, 0, 512), {Opcode: nvmetcp.KeepAlive}} {
		if got, want := q.do(cmd, nil).Status, nvme.StatusCommandSequenceError|nvme.DNR; got != want {
			t.Errorf("opcode 0x%02x before Connect: %s, want %s", cmd.Opcode, got, want)
		}
	}
	id := q.connect(nvmetcp.ConnectRequest{QueueSize: 31}, testNQN, nvmetcp.DynamicController)
	if got, want := q.do(nvmetcp.Command{Opcode: nvmetcp.Identify, SGL: nvmetcp.SGL{Length: 4096}}, nil).Status, nvme.StatusCommandSequenceError|nvme.DNR; got != want {
		t.Errorf("identify before CC.EN: %s, want %s", got, want)
	}
	io := newQueue(t, dial(t, tg, 1), 0)
	var cmd nvmetcp.Command
	cmd.SetConnect(nvmetcp.ConnectRequest{QueueID: 1, QueueSize: 31})
	if got := io.do(cmd, connectData(testNQN, id).Append(nil)).Status; got != nvme.StatusConnectInvalidParameters|nvme.DNR {
		t.Errorf("I/O queue before CC.EN: %s", got)
	}
	// A controller that is told to be what it cannot be says so.
	cmd = nvmetcp.Command{}
	cmd.SetPropertySet(nvmetcp.PropertyCC, 1)
	q.must(cmd, nil)
	cmd = nvmetcp.Command{}
	cmd.SetPropertyGet(nvmetcp.PropertyCSTS)
	if got := nvmetcp.ControllerStatus(q.must(cmd, nil)); got != nvmetcp.ControllerFatal {
		t.Errorf("CSTS 0x%x after a CC without entry sizes, want fatal", uint32(got))
	}
}

// TestControllerReset: CC.EN = 0 takes the I/O queues down, and only them.
func TestControllerReset(t *testing.T) {
	tg := startTarget(t, testConfig())
	h := connectHost(t, tg, hostOptions{})
	other := connectHost(t, tg, hostOptions{})
	var cmd nvmetcp.Command
	cmd.SetPropertySet(nvmetcp.PropertyCC, 0)
	h.admin.must(cmd, nil)
	h.io.closed()
	h.admin.enable()
	again := newQueue(t, dial(t, tg, 1), 0)
	again.connect(nvmetcp.ConnectRequest{QueueID: 1, QueueSize: 31}, testNQN, h.id)
	again.read(0, 512)
	other.io.read(0, 512)

	cmd.SetPropertySet(nvmetcp.PropertyCC, uint64(nvmetcp.ShutdownConfiguration))
	h.admin.must(cmd, nil)
	cmd = nvmetcp.Command{}
	cmd.SetPropertyGet(nvmetcp.PropertyCSTS)
	if got := nvmetcp.ControllerStatus(h.admin.must(cmd, nil)); got&nvmetcp.ControllerShutdown == 0 {
		t.Errorf("CSTS 0x%x after a shutdown", uint32(got))
	}
	_ = h.admin.nc.Close()
	again.closed()
	other.io.read(0, 512)
}

func TestFeatures(t *testing.T) {
	h := connectHost(t, startTarget(t, testConfig()), hostOptions{})
	set := func(id nvmetcp.FeatureID, v uint32) nvmetcp.Completion {
		return h.admin.do(nvmetcp.Command{Opcode: nvmetcp.SetFeatures, Dwords: [6]uint32{uint32(id), v}}, nil)
	}
	get := func(id nvmetcp.FeatureID) nvmetcp.Completion {
		return h.admin.do(nvmetcp.Command{Opcode: nvmetcp.GetFeatures, Dwords: [6]uint32{uint32(id)}}, nil)
	}
	for _, tc := range []struct {
		name      string
		got, want nvmetcp.Completion
	}{
		{"2 queues", set(nvmetcp.FeatureNumberOfQueues, 1|1<<16), nvmetcp.Completion{Result: 1 | 1<<16}},
		{"all queues", set(nvmetcp.FeatureNumberOfQueues, 0xfffe|0xfffe<<16), nvmetcp.Completion{Result: 127 | 127<<16}},
		{"65536 queues", set(nvmetcp.FeatureNumberOfQueues, 0xffff), nvmetcp.Completion{Status: nvme.StatusInvalidField | nvme.DNR}},
		{"KATO", set(nvmetcp.FeatureKeepAlive, 7000), nvmetcp.Completion{}},
		{"KATO read", get(nvmetcp.FeatureKeepAlive), nvmetcp.Completion{Result: 7000}},
		{"events", set(nvmetcp.FeatureAsyncEvents, nvmetcp.NoticeANA), nvmetcp.Completion{}},
		{"events read", get(nvmetcp.FeatureAsyncEvents), nvmetcp.Completion{Result: nvmetcp.NoticeANA}},
		{"write cache", get(nvmetcp.FeatureVolatileWriteCache), nvmetcp.Completion{Result: 1}},
		{"write cache off", set(nvmetcp.FeatureVolatileWriteCache, 0), nvmetcp.Completion{Status: nvme.StatusFeatureNotChangeable | nvme.DNR}},
		{"unknown", get(0xd0), nvmetcp.Completion{Status: nvme.StatusInvalidField | nvme.DNR}},
	} {
		if tc.got.Result != tc.want.Result || tc.got.Status != tc.want.Status {
			t.Errorf("%s: result 0x%x, %s; want 0x%x, %s", tc.name, tc.got.Result, tc.got.Status, tc.want.Result, tc.want.Status)
		}
	}
}

// TestLogParts: a log reads the same in parts, up to its end and no further.
func TestLogParts(t *testing.T) {
	h := connectHost(t, startTarget(t, testConfig()), hostOptions{})
	whole, status := h.log(nvmetcp.LogRequest{Log: nvmetcp.LogANA, Length: uint64(maxANALog)})
	if status != nvme.StatusSuccess {
		t.Fatal(status)
	}
	var parts []byte
	for offset := uint64(0); offset < uint64(len(whole)); offset += 4096 {
		part, status := h.log(nvmetcp.LogRequest{Log: nvmetcp.LogANA, Offset: offset, Length: 4096, Retain: true})
		if status != nvme.StatusSuccess {
			t.Fatalf("at %d: %s", offset, status)
		}
		parts = append(parts, part...)
	}
	targettest.WantBytes(t, "the log in parts", parts[:len(whole)], whole)
	for _, r := range []nvmetcp.LogRequest{
		{Log: nvmetcp.LogANA, Offset: uint64(maxANALog) + 4, Length: 4}, {Log: nvmetcp.LogANA, Offset: 2, Length: 4},
		{Log: nvmetcp.LogANA, Offset: 1 << 63, Length: 4}, {Log: nvmetcp.LogANA, Length: maxLogRead + 4},
	} {
		if _, status := h.log(r); status != nvme.StatusInvalidField|nvme.DNR {
			t.Errorf("%+v: %s", r, status)
		}
	}
	if _, status := h.log(nvmetcp.LogRequest{Log: 0xc0, Length: 4}); status != nvme.StatusInvalidLogPage|nvme.DNR {
		t.Errorf("a log that is not there: %s", status)
	}
}

// TestANA: a change is told to those whom it concerns, once until they have
// read the log, and commands get the status of the state.
func TestANA(t *testing.T) {
	tg := startTarget(t, testConfig())
	h := connectHost(t, tg, hostOptions{})
	other := connectHost(t, tg, hostOptions{port: 2})
	h.admin.must(nvmetcp.Command{Opcode: nvmetcp.SetFeatures, Dwords: [6]uint32{uint32(nvmetcp.FeatureAsyncEvents), nvmetcp.NoticeANA}}, nil)
	want := nvmetcp.Event{Type: nvmetcp.EventNotice, Info: nvmetcp.ANAChanged, Log: nvmetcp.LogANA}

	request := h.admin.start(nvmetcp.Command{Opcode: nvmetcp.AsyncEventRequest}, nil)
	for _, state := range []nvme.ANAState{nvme.ANAInaccessible, nvme.ANAChange, nvme.ANAPersistentLoss, nvme.ANANonOptimized} {
		if err := tg.SetANA(1, 2, state); err != nil {
			t.Fatal(err)
		}
		c := h.admin.finish()
		if c.CID != request || nvmetcp.ParseEvent(c.Result) != want {
			t.Fatalf("%s: command %d completes with 0x%x, want the event for %d", state, c.CID, c.Result, request)
		}
		// Another change before the log is read, and no second event: the next
		// completion is the log's.
		if err := tg.SetANA(1, 2, state); err != nil {
			t.Fatal(err)
		}
		request = h.admin.start(nvmetcp.Command{Opcode: nvmetcp.AsyncEventRequest}, nil)
		if got := h.anaStates(); !cmp.Equal(got, map[uint32]nvme.ANAState{1: nvme.ANAOptimized, 2: state}) {
			t.Errorf("%s: ANA log %v", state, got)
		}
		read := rw(nvmetcp.Read, 0, 512)
		read.NSID = 5
		wantStatus := map[nvme.ANAState]nvme.Status{
			nvme.ANAInaccessible: nvme.StatusANAInaccessible, nvme.ANAChange: nvme.StatusANATransition, nvme.ANAPersistentLoss: nvme.StatusANAPersistentLoss,
		}[state]
		if got := h.io.do(read, nil).Status; got != wantStatus {
			t.Errorf("%s: read of the group %s, want %s", state, got, wantStatus)
		}
		if got := other.io.do(read, nil).Status; got != nvme.StatusSuccess {
			t.Errorf("%s: read on the other port %s", state, got)
		}
		h.io.read(0, 512) // the other group
	}
	for range maxEventRequests - 1 {
		h.admin.start(nvmetcp.Command{Opcode: nvmetcp.AsyncEventRequest}, nil)
	}
	if got := h.admin.do(nvmetcp.Command{Opcode: nvmetcp.AsyncEventRequest}, nil).Status; got != nvme.StatusAsyncEventLimitExceeded|nvme.DNR {
		t.Errorf("one event request too many: %s", got)
	}
}
