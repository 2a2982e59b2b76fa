package host

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/nvmetcp"
)

func TestConnect(t *testing.T) {
	tg := startTarget(t, targetConfig())
	if err := tg.SetANA(1, 2, nvme.ANANonOptimized); err != nil {
		t.Fatal(err)
	}
	cfg := hostConfig(t, tg)
	cfg.IOQueues = 3
	j := journalOf(&cfg)
	c := connect(t, cfg)
	if got := c.State(); got != nvme.StateLive || !c.Available() {
		t.Errorf("state %s, available %t", got, c.Available())
	}
	j.await(t, "connecting", "live")
	if c.Queues() != 3 || c.MaxTransfer() != 1<<20 || c.Identify().SubsystemNQN != testNQN {
		t.Errorf("%d queues, MDTS %d, identify %+v", c.Queues(), c.MaxTransfer(), c.Identify())
	}
	want := nvme.Counters{nvme.AdminErrors: 0, nvme.Resets: 0, nvme.Reconnects: 0}
	if diff := cmp.Diff(want, c.Counters()); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
	groups, err := c.ANALog(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range groups {
		groups[i].ChangeCount = 0
	}
	if diff := cmp.Diff([]nvmetcp.ANAGroup{
		{ID: 1, State: nvme.ANAOptimized, Namespaces: []uint32{1}},
		{ID: 2, State: nvme.ANANonOptimized, Namespaces: []uint32{5}},
	}, groups); diff != "" {
		t.Errorf("ANA log (-want +got):\n%s", diff)
	}
	list, err := c.ActiveNamespaces(t.Context())
	if diff := cmp.Diff([]uint32{1, 5}, list); diff != "" || err != nil {
		t.Errorf("active namespaces: error %v (-want +got):\n%s", err, diff)
	}
	ns, err := c.IdentifyNamespace(t.Context(), 5)
	if diff := cmp.Diff(Namespace{
		NSID:              5,
		IDs:               []nvme.NamespaceID{{Type: nvme.UUID, Value: "0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190805"}},
		IdentifyNamespace: nvmetcp.IdentifyNamespace{Blocks: testSize / 512, BlockShift: 9, Thin: true, Shared: true, ReadsZero: true, ANAGroupID: 2},
	}, ns); diff != "" || err != nil {
		t.Errorf("namespace 5: error %v (-want +got):\n%s", err, diff)
	}
	if _, err := c.IdentifyNamespace(t.Context(), 9); err == nil || !strings.Contains(err.Error(), "not active") {
		t.Errorf("namespace 9: %v", err)
	}
}

// TestANAEvent: every change is told of, once its log was read.
func TestANAEvent(t *testing.T) {
	tg := startTarget(t, targetConfig())
	cfg := hostConfig(t, tg)
	j := journalOf(&cfg)
	c := connect(t, cfg)
	j.await(t, "connecting", "live")
	for _, want := range []nvme.ANAState{nvme.ANAInaccessible, nvme.ANAChange, nvme.ANAOptimized} {
		if err := tg.SetANA(1, 1, want); err != nil {
			t.Fatal(err)
		}
		j.await(t, "ANA")
		groups, err := c.ANALog(t.Context())
		if err != nil || groups[0].State != want {
			t.Errorf("ANA log: %+v, %v, want %s in group 1", groups, err, want)
		}
	}
}

// TestConnectRefused: what cannot be connected is an error that says why.
func TestConnectRefused(t *testing.T) {
	tg := startTarget(t, targetConfig())
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   string
		status nvme.Status
	}{
		{"unknown subsystem", func(c *Config) { c.SubsystemNQN = "nqn.2026-11.test.braid:none" },
			"admin queue: connect: 0x4182 (connect: invalid parameters, do not retry)", nvme.StatusConnectInvalidParameters | nvme.DNR},
		{"closed port", func(c *Config) { c.Address = wayTo(netip.MustParseAddrPort("127.0.0.1:1")) }, "connection refused", 0},
		{"a discovery controller", func(c *Config) { c.SubsystemNQN = nvmetcp.DiscoveryNQN }, "controller type 2 has no I/O queues", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := hostConfig(t, tg)
			tc.change(&cfg)
			_, err := Connect(t.Context(), cfg)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error %v, want one with %q", err, tc.want)
			}
			refused, _ := errors.AsType[*StatusError](err)
			if (refused != nil) != (tc.status != 0) || refused != nil && refused.Status != tc.status {
				t.Errorf("error %v, want status %s in it", err, tc.status)
			}
		})
	}
	if n := len(tg.State().Controllers); n != 0 {
		t.Errorf("%d controllers are left", n)
	}
}

// TestConnectCancelled: a target that is silent does not outlast the context.
func TestConnectCancelled(t *testing.T) {
	tg := startTarget(t, targetConfig())
	if err := tg.BlackHole(1, -1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if c, err := Connect(ctx, hostConfig(t, tg)); err == nil {
		_ = c.Close(t.Context())
		t.Error("connected to a black hole")
	}
}

func TestConfigRefused(t *testing.T) {
	good := Config{Address: wayTo(netip.MustParseAddrPort("127.0.0.1:4420")), SubsystemNQN: testNQN, HostNQN: testHostNQN, HostID: [16]byte{1}}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Config){
		"address: tcp://storage:4420": func(c *Config) { c.Address.TrAddr = "storage" },
		"address: rdma://":            func(c *Config) { c.Address.Transport = "rdma" },
		"subsystemNQN: is empty":      func(c *Config) { c.SubsystemNQN = "" },
		"hostNQN: ":                   func(c *Config) { c.HostNQN = "host" },
		"hostID: is all zeros":        func(c *Config) { c.HostID = [16]byte{} },
		"ioQueues: -1":                func(c *Config) { c.IOQueues = -1 },
		"queueSize: 1 is":             func(c *Config) { c.QueueSize = 1 },
		"queueSize: 5000":             func(c *Config) { c.QueueSize = 5000 },
		"keepAlive: -1s":              func(c *Config) { c.KeepAlive = -time.Second },
		"keepAlive: 1200h0m0s":        func(c *Config) { c.KeepAlive = 1200 * time.Hour },
		"ioTimeout: 1ns":              func(c *Config) { c.IOTimeout = 1 },
		"fastIOFail: -1ns":            func(c *Config) { c.FastIOFail = -1 },
		"digests: 0x04":               func(c *Config) { c.Digests = 4 },
	} {
		cfg := good
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// TestBeforeLive: the owner may ask before there is I/O, in each association, and
// may say no.
func TestBeforeLive(t *testing.T) {
	tg := startTarget(t, targetConfig())
	cfg := hostConfig(t, tg)
	j := journalOf(&cfg)
	refuse := errors.New("another namespace")
	answers := []error{nil, refuse, refuse, nil}
	cfg.BeforeLive = func(ctx context.Context, c *Controller) error {
		if c.State() != nvme.StateConnecting {
			t.Errorf("called in state %s", c.State())
		}
		if s := do(t, c, rw(nvmetcp.Read, 0, make([]byte, 512))); s != nvme.StatusHostPathError {
			t.Errorf("I/O before the controller is live: %s", s)
		}
		if _, err := c.ANALog(ctx); err != nil {
			t.Error(err)
		}
		answer := answers[0]
		answers = answers[1:]
		return answer
	}
	c := connect(t, cfg)
	j.await(t, "connecting", "live")
	c.Reset()
	j.await(t, "resetting", "connecting", "live")
	if got := c.Counters()[nvme.Reconnects]; got != 2 {
		t.Errorf("%d reconnects, want 2", got)
	}
	answers = []error{refuse}
	if _, err := Connect(t.Context(), cfg); !errors.Is(err, refuse) {
		t.Errorf("error %v, want %v", err, refuse)
	}
}
