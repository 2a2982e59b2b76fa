package nvmetcp

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/nvme"
)

// FuzzReader: whatever the other end sends, and however it is cut into reads,
// every PDU is either understood or refused.
func FuzzReader(f *testing.F) {
	for _, name := range []string{"plain-0-host", "plain-1-controller", "digests-0-controller", "digests-1-host"} {
		b := recorded(f, name)
		digests := Digests(b[11])
		f.Add(uint8(digests), b[:MaxHeaderSize])
		f.Add(uint8(digests), b[MaxHeaderSize:min(len(b), 16<<10)])
	}
	all := Framing{}
	b := all.AppendR2T(all.AppendCompletion(nil, Completion{}), Ready{})
	f.Add(uint8(0), AppendTermReq(b, H2CTermReq, &ProtocolError{Status: SequenceError}, b))
	f.Fuzz(func(t *testing.T, digests uint8, b []byte) {
		framing := Framing{Digests: Digests(digests) & (HeaderDigest | DataDigest)}
		whole, err := transcript(bytes.NewReader(b), framing)
		if err != nil && err.Error() == "" {
			t.Error("an error that says nothing")
		}
		parts, partsErr := transcript(&dribble{b: b}, framing)
		if whole != parts || (err == nil) != (partsErr == nil) {
			t.Errorf("%x: at once\n%s%v\nin parts\n%s%v", b, whole, err, parts, partsErr)
		}
	})
}

// dribble gives 1, 2, 3, ... bytes at a time.
type dribble struct {
	b []byte
	n int
}

func (d *dribble) Read(p []byte) (int, error) {
	if len(d.b) == 0 {
		return 0, io.EOF
	}
	d.n = d.n%97 + 1
	n := copy(p, d.b[:min(d.n, len(d.b))])
	d.b = d.b[n:]
	return n, nil
}

// reread fails the test unless what was written reads back the same.
func reread[T any](t *testing.T, b []byte, want T, wire []byte, parse func([]byte) (T, error)) {
	t.Helper()
	got, err := parse(wire)
	if err != nil {
		t.Errorf("%x: %+v was read, and written as what cannot be read: %v", b, want, err)
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%x: -first +second\n%s", b, diff)
	}
}

// page makes a structure of fixed size of the fuzzer's bytes: it need not learn
// how long one is.
func page(b []byte, size int) []byte { return append(bytes.Clone(b), make([]byte, size)...)[:size] }

func FuzzIdentifyController(f *testing.F) {
	c := fullController()
	f.Add(c.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseIdentifyController(page(b, IdentifySize))
		if err != nil {
			return
		}
		if c.InCapsule() < 0 || c.ANALogSize() > 1<<40 {
			t.Errorf("%x: %d bytes in a capsule, ANA log of %d", b, c.InCapsule(), c.ANALogSize())
		}
		reread(t, b, c, c.Append(nil), ParseIdentifyController)
	})
}

func FuzzIdentifyNamespace(f *testing.F) {
	n := fullNamespace()
	f.Add(n.Append(nil)[:256])
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := ParseIdentifyNamespace(page(b, IdentifySize))
		if err != nil {
			return
		}
		if size := int64(n.Blocks << n.BlockShift); size < 0 || n.Blocks > 0 && size == 0 {
			t.Errorf("%x: %+v is %d bytes", b, n, size)
		}
		reread(t, b, n, n.Append(nil), ParseIdentifyNamespace)
	})
}

func FuzzNamespaceLists(f *testing.F) {
	ids := []nvme.NamespaceID{id(f, nvme.UUID, "0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190807"), id(f, nvme.EUI64, "0025385a11215a3b")}
	b, err := AppendNamespaceDescriptors(nil, ids)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b[:64])
	f.Add(AppendActiveNamespaces(nil, []uint32{1, 2, 0xfffffffe})[:64])
	f.Fuzz(func(t *testing.T, b []byte) {
		p := page(b, IdentifySize)
		if list, err := ParseActiveNamespaces(p); err == nil {
			reread(t, b, list, AppendActiveNamespaces(nil, list), ParseActiveNamespaces)
		}
		ids, err := ParseNamespaceDescriptors(p)
		if err != nil {
			return
		}
		wire, err := AppendNamespaceDescriptors(nil, ids)
		if err != nil {
			t.Fatalf("%x: %v was read but cannot be written: %v", b, ids, err)
		}
		reread(t, b, ids, wire, ParseNamespaceDescriptors)
	})
}

func FuzzANALog(f *testing.F) {
	f.Add(AppendANALog(nil, 7, []ANAGroup{
		{ID: 1, State: nvme.ANAOptimized, Namespaces: []uint32{1, 2}}, {ID: 2, State: nvme.ANAChange, ChangeCount: 1},
	}))
	f.Fuzz(func(t *testing.T, b []byte) {
		changes, groups, err := ParseANALog(b)
		if err != nil {
			return
		}
		n := 0
		for _, g := range groups {
			n += anaGroupSize + 4*len(g.Namespaces)
		}
		if n > len(b) {
			t.Errorf("%x: %d bytes of groups out of %d", b, n, len(b))
		}
		reread(t, b, groups, AppendANALog(nil, changes, groups), func(b []byte) ([]ANAGroup, error) {
			_, groups, err := ParseANALog(b)
			return groups, err
		})
	})
}

func FuzzDiscoveryRecord(f *testing.F) {
	way, err := nvme.ParseAddress("192.0.2.1:4420")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(DiscoveryRecord{TransportID: way, Type: NVMSubsystem, SubsystemNQN: testNQN}.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, ok, err := ParseDiscoveryRecord(page(b, DiscoveryRecordSize))
		if err != nil || !ok {
			return
		}
		if again, err := nvme.ParseAddress(r.TransportID.Address()); err != nil || again != r.TransportID {
			t.Errorf("%x: %+v cannot be connected: %v", b, r.TransportID, err)
		}
		reread(t, b, r, r.append(nil), func(b []byte) (DiscoveryRecord, error) {
			r, _, err := ParseDiscoveryRecord(b)
			return r, err
		})
	})
}

func FuzzConnectData(f *testing.F) {
	f.Add(ConnectData{ControllerID: 1, SubsystemNQN: testNQN, HostNQN: testNQN}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := ParseConnectData(page(b, ConnectDataSize))
		if err != nil {
			if e, ok := errors.AsType[*ConnectError](err); !ok || e.Offset != ConnectAtSubsystemNQN && e.Offset != ConnectAtHostNQN {
				t.Errorf("%x: %v names no field", b, err)
			}
			return
		}
		reread(t, b, d, d.Append(nil), ParseConnectData)
	})
}

// FuzzEntries: queue entries read back as they were written.
func FuzzEntries(f *testing.F) {
	c := Command{Opcode: Read, NSID: 1, SGL: SGL{Length: 4096, Type: SGLTransport}}
	c.SetBlocks(8, 8)
	f.Add(c.Append(nil))
	f.Add(Completion{CID: 1, Status: nvme.StatusANAInaccessible}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := ParseCommand(b); err == nil {
			c.Flags |= flagSGL
			reread(t, b, c, c.Append(nil), ParseCommand)
			if n := c.Log().Length; n == 0 || n > 1<<34 {
				t.Errorf("%x: log of %d bytes", b, n)
			}
			if _, n := c.Blocks(); n == 0 || n > 1<<16 {
				t.Errorf("%x: %d blocks", b, n)
			}
		}
		if c, err := ParseCompletion(b); err == nil {
			reread(t, b, c, c.Append(nil), ParseCompletion)
		}
	})
}
