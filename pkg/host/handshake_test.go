package host

import (
	"encoding/binary"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
	"github.com/braid-csi/braid/pkg/target/targettest"
)

// on answers one kind of fabrics or admin command.
func on(match func(nvmetcp.Command) bool, say func(*fakeQueue, nvmetcp.Command)) func(*fakeQueue, nvmetcp.Command) bool {
	return func(q *fakeQueue, c nvmetcp.Command) bool {
		if q.io || !match(c) {
			return false
		}
		say(q, c)
		return true
	}
}

func isConnect(c nvmetcp.Command) bool {
	return c.Opcode == nvmetcp.Fabrics && c.FabricsType() == nvmetcp.Connect
}

func isIOConnect(c nvmetcp.Command) bool { return isConnect(c) && c.Connect().QueueID != 0 }

func isOpcode(op nvmetcp.Opcode) func(nvmetcp.Command) bool {
	return func(c nvmetcp.Command) bool { return c.Opcode == op }
}

// TestStrangeController: what a controller says on the way to be live is checked.
func TestStrangeController(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*fakeController)
		want   string
	}{
		{"nothing strange", func(*fakeController) {}, ""},
		{"MAXH2CDATA 512", func(f *fakeController) { f.init.MaxData = 512 }, "MAXH2CDATA 512"},
		{"digests that nobody wants", func(f *fakeController) { f.init.Digests = nvmetcp.DataDigest }, "controller wants digests 0x02, we 0x00"},
		{"authentication", func(f *fakeController) {
			f.answer = on(isConnect, func(q *fakeQueue, c nvmetcp.Command) { q.say(c, 0, 1<<16) })
		}, "wants authentication"},
		{"another controller on the I/O queue", func(f *fakeController) {
			f.answer = on(isIOConnect, func(q *fakeQueue, c nvmetcp.Command) { q.say(c, 0, 9) })
		}, "queue 1: connect: controller 0x0009 answered, not 0x0007"},
		{"another subsystem", func(f *fakeController) { f.id.SubsystemNQN = "nqn.2026-11.test.braid:other" }, "controller is of nqn.2026-11.test.braid:other"},
		{"CAP of zeros", func(f *fakeController) {
			f.answer = on(func(c nvmetcp.Command) bool {
				p, _, _ := c.Property()
				return c.Opcode == nvmetcp.Fabrics && !isConnect(c) && p == nvmetcp.PropertyCAP
			},
				func(q *fakeQueue, c nvmetcp.Command) { q.say(c, 0, 0) })
		}, "CAP.MQES is 0"},
		{"a fatal status", func(f *fakeController) {
			f.answer = on(func(c nvmetcp.Command) bool {
				p, _, _ := c.Property()
				return c.Opcode == nvmetcp.Fabrics && !isConnect(c) && p == nvmetcp.PropertyCSTS
			},
				func(q *fakeQueue, c nvmetcp.Command) { q.say(c, 0, uint64(nvmetcp.ControllerFatal)) })
		}, "controller fatal status"},
		{"16 MiB in a capsule", func(f *fakeController) { f.id.CapsuleCommandSize = 1 << 20 }, "IOCCSZ 1048576"},
		{"identify data of zeros", func(f *fakeController) {
			f.answer = on(isOpcode(nvmetcp.Identify), func(q *fakeQueue, c nvmetcp.Command) { q.give(c, make([]byte, 4096)) })
		}, "SUBNQN"},
		{"too little identify data", func(f *fakeController) {
			f.answer = on(isOpcode(nvmetcp.Identify), func(q *fakeQueue, c nvmetcp.Command) { q.give(c, make([]byte, 512)) })
		}, "succeeded with 512 of 4096 bytes"},
		{"no queues", func(f *fakeController) {
			f.answer = on(isOpcode(nvmetcp.SetFeatures), func(q *fakeQueue, c nvmetcp.Command) { q.say(c, nvme.StatusInternalError, 0) })
		}, "number of queues: 0x006 (internal error)"},
		{"it closes", func(f *fakeController) {
			f.answer = on(isConnect, func(q *fakeQueue, _ nvmetcp.Command) { _ = q.conn.Close() })
		}, "connect: "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := startFake(t, nil)
			tc.change(f)
			c, err := Connect(t.Context(), f.config())
			if err == nil {
				if err := c.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
}

// TestSilentTarget: who accepts connections and says nothing is given up.
func TestSilentTarget(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	cfg := (&fakeController{listener: l}).config()
	cfg.AdminTimeout = 20 * time.Millisecond
	if _, err := Connect(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "ICReq: context deadline exceeded") {
		t.Errorf("error %v, want a timeout", err)
	}
}

// TestFewerQueues: the controller decides how many queues there are, and how
// large they can be.
func TestFewerQueues(t *testing.T) {
	f := startFake(t, on(isOpcode(nvmetcp.SetFeatures), func(q *fakeQueue, c nvmetcp.Command) { q.say(c, 0, 1|2<<16) }))
	f.id.MaxCommands = 9
	cfg := f.config()
	cfg.IOQueues = 4
	c := connect(t, cfg)
	if c.Queues() != 2 {
		t.Errorf("%d queues, want 2", c.Queues())
	}
	var sizes []uint16
	for _, cmd := range f.commands(nvmetcp.Fabrics) {
		if isConnect(cmd) {
			sizes = append(sizes, cmd.Connect().QueueSize)
		}
	}
	if want := []uint16{31, 8, 8}; !slices.Equal(sizes, want) { // 0-based
		t.Errorf("queue sizes %v, want %v", sizes, want)
	}
	if n := len(c.last.Load().io[0].slots.list); n != 8 {
		t.Errorf("%d commands can be outstanding, want 8", n)
	}
}

// TestNamespaceEvent: the log is read, another request is there, and the owner
// is told.
func TestNamespaceEvent(t *testing.T) {
	requests := 0
	f := startFake(t, func(q *fakeQueue, c nvmetcp.Command) bool {
		if q.io || c.Opcode != nvmetcp.AsyncEventRequest {
			return false
		}
		q.events = append(q.events, c.CID)
		if requests++; requests <= 2 {
			q.happen(nvmetcp.NamespacesChanged, nvmetcp.LogChangedNamespaces)
		} else if requests == 3 {
			q.happen(nvmetcp.EventInfo(1), nvmetcp.LogHealth) // nothing that we asked for
		} else if requests == 4 {
			q.happen(nvmetcp.ANAChanged, nvmetcp.LogANA)
		}
		return true
	})
	cfg := f.config()
	j := journalOf(&cfg)
	connect(t, cfg)
	j.awaitAny(t, "ANA")
	logs := f.commands(nvmetcp.GetLogPage)
	if len(logs) != 2 || logs[0].Log().Log != nvmetcp.LogChangedNamespaces || logs[0].Log().Retain {
		t.Errorf("logs that were read: %+v, want that of the changed namespaces twice", logs)
	}
	if events := f.commands(nvmetcp.SetFeatures); len(events) != 2 || events[1].Dwords[1] != nvmetcp.NoticeANA|nvmetcp.NoticeNamespaces {
		t.Errorf("features set: %+v", events)
	}
}

// TestAbort: a command that takes too long is aborted by its ID, once.
func TestAbort(t *testing.T) {
	aborted := make(chan func(), 1)
	f := startFake(t, func(q *fakeQueue, c nvmetcp.Command) bool {
		switch {
		case q.io && c.Opcode == nvmetcp.Write:
			aborted <- func() { q.say(c, nvme.StatusAbortRequested, 0) }
			return true
		case !q.io && c.Opcode == nvmetcp.Abort:
			q.say(c, nvme.StatusSuccess, 0)
			(<-aborted)()
			return true
		}
		return false
	})
	cfg := f.config()
	cfg.IOTimeout = 80 * time.Millisecond
	c := connect(t, cfg)
	r := rw(nvmetcp.Write, 0, targettest.Pattern(0, 4096))
	if s := do(t, c, r); s != nvme.StatusAbortRequested || !r.InDoubtUntil.IsZero() {
		t.Errorf("the write: %s, in doubt until %s", s, r.InDoubtUntil)
	}
	aborts := f.commands(nvmetcp.Abort)
	if len(aborts) != 1 || aborts[0].Dwords[0] != 1|uint32(r.Command.CID)<<16 {
		t.Errorf("aborts %+v, want one of command 0x%04x on queue 1", aborts, r.Command.CID)
	}
	if c.State() != nvme.StateLive {
		t.Errorf("the controller is %s", c.State())
	}
}

// TestAdmin: commands of the owner's, and how many of them failed.
func TestAdmin(t *testing.T) {
	f := startFake(t, on(isOpcode(nvmetcp.GetFeatures), func(q *fakeQueue, c nvmetcp.Command) { q.say(c, nvme.StatusInvalidField|nvme.DNR, 0) }))
	c := connect(t, f.config())
	if _, err := c.Admin(t.Context(), nvmetcp.Command{Opcode: nvmetcp.GetFeatures}, nil); err == nil || err.Error() != "admin command 0x0a: 0x4002 (invalid field, do not retry)" {
		t.Error(err)
	}
	if got := c.Counters()[nvme.AdminErrors]; got != 1 {
		t.Errorf("%d admin errors, want 1", got)
	}
	data := slices.Repeat([]byte{1}, 512)
	if _, err := c.Admin(t.Context(), nvmetcp.Command{Opcode: nvmetcp.GetLogPage}, data); err != nil {
		t.Error(err)
	}
	targettest.WantBytes(t, "the log", data, make([]byte, 512))
}

// TestANALogInParts: a log that is larger than a command's data is read again if
// it changed between the parts.
func TestANALogInParts(t *testing.T) {
	f := startFake(t, nil)
	f.id.MaxTransfer, f.id.ANAGroups, f.id.MaxANAGroupID, f.id.Namespaces = 1, 128, 128, 1024
	generation := uint64(1)
	f.answer = on(isOpcode(nvmetcp.GetLogPage), func(q *fakeQueue, c nvmetcp.Command) {
		r := c.Log()
		whole := nvmetcp.AppendANALog(nil, generation, []nvmetcp.ANAGroup{{ID: 1, State: nvme.ANAOptimized, Namespaces: make([]uint32, 1024)}})
		whole = append(whole, make([]byte, f.id.ANALogSize()-uint64(len(whole)))...)
		if r.Length > 8192 {
			t.Errorf("%d bytes in one command, MDTS is 8 KiB", r.Length)
		}
		if r.Offset != 0 && generation < 3 {
			generation++
		}
		q.give(c, whole[r.Offset:][:r.Length])
	})
	c := connect(t, f.config())
	groups, err := c.ANALog(t.Context())
	if err != nil || len(groups) != 1 || len(groups[0].Namespaces) != 1024 {
		t.Errorf("%d groups, %v", len(groups), err)
	}
	if generation != 3 {
		t.Errorf("read in generation %d, want 3", generation)
	}
}

// TestManyNamespaces: the list is longer than one command gives.
func TestManyNamespaces(t *testing.T) {
	const n = 2500
	f := startFake(t, on(func(c nvmetcp.Command) bool {
		return c.Opcode == nvmetcp.Identify && c.IdentifyWhat() == nvmetcp.IdentifyActiveID
	}, func(q *fakeQueue, c nvmetcp.Command) {
		b := make([]byte, 4096)
		for i := uint32(0); i < 1024 && c.NSID+i < n; i++ {
			binary.LittleEndian.PutUint32(b[4*i:], c.NSID+i+1)
		}
		q.give(c, b)
	}))
	list, err := connect(t, f.config()).ActiveNamespaces(t.Context())
	if err != nil || len(list) != n || list[n-1] != n {
		t.Errorf("%d namespaces, %v, want %d", len(list), err, n)
	}
}
