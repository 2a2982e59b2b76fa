package control

import (
	"context"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/target"
)

// start starts a target of one port and its control socket.
func start(t *testing.T) (*target.Target, string) {
	t.Helper()
	tg, err := target.Start(t.Context(), target.Config{
		Subsystems: []target.SubsystemConfig{{NQN: "nqn.2026-11.test.braid:s1", Namespaces: []target.NamespaceConfig{{
			NSID: 1, IDs: []nvme.NamespaceID{{Type: nvme.UUID, Value: "0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190801"}}, Size: 1 << 20,
		}}}},
		Ports: []target.PortConfig{{ID: 1, Address: netip.MustParseAddrPort("127.0.0.1:0")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "control.sock")
	l, err := Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- Serve(ctx, l, tg) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serving: %v", err)
		}
		if err := tg.Close(); err != nil {
			t.Errorf("closing the target: %v", err)
		}
	})
	return tg, socket
}

// TestRequests tells the target what the package's documentation has, and looks
// at what became of it.
func TestRequests(t *testing.T) {
	tg, socket := start(t)
	for _, tc := range []struct {
		line, want string
		check      func(target.State) bool
	}{
		{`{"do":"cut","port":1}`, `{}`, func(s target.State) bool { return s.Ports[0].Cut }},
		{`{"do":"repair","port":1}`, `{}`, func(s target.State) bool { return !s.Ports[0].Cut }},
		{`{"do":"drop","port":1}`, `{}`, nil},
		{`{"do":"black-hole","port":1}`, `{}`, func(s target.State) bool { return s.Ports[0].Silent }},
		{`{"do":"restore","port":1}`, `{}`, func(s target.State) bool { return !s.Ports[0].Silent }},
		{`{"do":"ana","port":1,"group":1,"state":"inaccessible"}`, `{}`, func(s target.State) bool { return s.Ports[0].ANA[1] == nvme.ANAInaccessible }},
		{`{"do":"inject","fault":{"port":1,"commands":"read","count":5,"status":"0x302"}}`, `{"id":1}`, func(s target.State) bool {
			return s.Faults[0].Fault.Status == nvme.StatusANAInaccessible && s.Faults[0].Fault.Count == 5
		}},
		{`{"do":"inject","fault":{"commands":"io","delay":"100ms"}}`, `{"id":2}`, nil},
		{`{"do":"inject","fault":{"port":1,"commands":"write","count":1,"hold":"2s"}}`, `{"id":3}`, nil},
		{`{"do":"inject","fault":{"commands":"connect","count":1,"drop":true}}`, `{"id":4}`, func(s target.State) bool { return len(s.Faults) == 4 }},
		{`{"do":"clear","id":2}`, `{}`, func(s target.State) bool { return len(s.Faults) == 3 }},
		{`{"do":"clear"}`, `{}`, func(s target.State) bool { return len(s.Faults) == 0 }},

		{`{"do":"explode"}`, `{"error":"do: \"explode\" is not`, nil},
		{`{"do":"cut"}`, `{"error":"port: there is no port 0"}`, nil},
		{`{"do":"cut","prot":1}`, `{"error":"request: json: unknown field \"prot\""}`, nil},
		{`{"do":"inject","fault":{"sattus":"0x302"}}`, `{"error":"request: json: unknown field \"sattus\""}`, nil},
		{`{"do":"inject"}`, `{"error":"fault: is missing"}`, nil},
		{`{"do":"inject","fault":{"status":"high"}}`, `{"error":"request: `, nil},
		{`{"do":"inject","fault":{"delay":"-1s"}}`, `{"error":"request: `, nil},
		{`{"do":"ana","port":1,"group":999,"state":"optimized"}`, `{"error":"ANA: group 999`, nil},
		{`{"do":"ana","port":1,"group":1,"state":"fine"}`, `{"error":"ANA: state \"fine\"`, nil},
		{`{"do":"drop","port":1,"queue":7}`, `{"error":"queue: port 1 has no connection of queue 7"}`, nil},
		{`{"do":"drop","port":1,"queue":-1}`, `{"error":"queue: -1 is negative"}`, nil},
		{`{"do":"show"}{"do":"cut","port":1}`, `{"error":"request: more than one on a line"}`, nil},
		{`cut port 1`, `{"error":"request: `, nil},
		{strings.Repeat(" ", maxLine), `{"error":"request: longer than`, nil},
		{`{"do":"show"}`, `{"state":{"ports":[{"id":1,`, nil},
	} {
		name := tc.line[:min(len(tc.line), 80)]
		got, err := Tell(t.Context(), socket, []byte(tc.line))
		if err != nil || !strings.HasPrefix(string(got), tc.want) {
			t.Errorf("%s: %s, %v; want %s", name, got, err, tc.want)
		}
		if tc.check != nil && !tc.check(tg.State()) {
			t.Errorf("%s: state %+v", name, tg.State())
		}
	}
}

func TestDo(t *testing.T) {
	_, socket := start(t)
	a, err := Do(t.Context(), socket, Request{Do: "inject", Fault: &target.Fault{Status: nvme.StatusInternalError}})
	if err != nil || a.ID != 1 {
		t.Errorf("inject: %+v, %v", a, err)
	}
	if _, err := Do(t.Context(), socket, Request{Do: "cut", Port: 9}); err == nil || err.Error() != "port: there is no port 9" {
		t.Errorf("cutting a port that is not there: %v", err)
	}
	if _, err := Do(t.Context(), socket+".none", Request{Do: "show"}); err == nil {
		t.Error("a socket that is not there answered")
	}
}
