package main

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/braid-csi/braid/pkg/multipath/ledger"
	"github.com/braid-csi/braid/pkg/nvme"
)

func TestRunBadInput(t *testing.T) {
	for _, tc := range []struct {
		args string
		want string
	}{
		{"", "which command?"},
		{"frobnicate", `unknown command "frobnicate"`},
		{"paths -o yaml", `-o: "yaml"`},
		{"paths extra", `unexpected argument "extra"`},
		{"reset -volume v", "-volume and -reason are required"},
		{"reset -reason r", "-volume and -reason are required"},
		{"resets", "-volume is required"},
		{"serve extra", `unexpected argument "extra"`},
		{"serve -poll-interval 1h", "-poll-interval: 1h0m0s"},
		{"serve -clear-after -1s", "ClearAfter"},
		{"serve -kubeconfig x", "-kubeconfig: nothing reads it without -agent"},
		{"serve -agent -kubeconfig none -state-dir " + t.TempDir(), "-agent: "},
		{"paths -admin-socket " + filepath.Join(t.TempDir(), "none.sock"), "ask braid-node"},
	} {
		t.Run(tc.args, func(t *testing.T) {
			var out bytes.Buffer
			err := run(t.Context(), strings.Fields(tc.args), strings.NewReader(""), &out)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("braid-node %s: error %v, want one with %q", tc.args, err, tc.want)
			}
		})
	}
}

func TestUsage(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"help"}, nil, &out); err != nil {
		t.Fatal(err)
	}
	for _, c := range commands {
		if !strings.Contains(out.String(), c.name) {
			t.Errorf("the usage does not tell of %s:\n%s", c.name, &out)
		}
	}
	if strings.Contains(out.String(), kernelWrite) {
		t.Errorf("the usage tells of %s, which is not for people", kernelWrite)
	}
	if err := run(t.Context(), []string{"paths", "-h"}, nil, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
}

func TestWriteResets(t *testing.T) {
	var out bytes.Buffer
	if err := writeResets(&out, []ledger.Reset{{
		ID: "r1", By: "root (uid 0, pid 7)", Reason: "cable replaced", Recovered: true,
		Before: map[string]ledger.Tallies{
			"tcp://192.0.2.1:4420": {nvme.Failovers: {SinceReset: 12}, nvme.Errors: {SinceReset: 1}},
			ledger.HeadKey:         {nvme.Requeues: {SinceReset: 0}},
		},
	}}); err != nil {
		t.Fatal(err)
	}
	want := `reset r1 (completed after a crash)
  by      root (uid 0, pid 7)
  at      0001-01-01T00:00:00Z
  because cable replaced
  before  head: requeues 0
  before  tcp://192.0.2.1:4420: errors 1 failovers 12
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", &out, want)
	}
}
