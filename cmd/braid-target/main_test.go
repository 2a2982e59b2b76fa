package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/braid-csi/braid/pkg/target/control"
)

const uuid = "0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190801"

func TestRunBadInput(t *testing.T) {
	file := func(content string) string {
		name := filepath.Join(t.TempDir(), "target.json")
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for args, want := range map[string]string{
		"":                                  "which command?",
		"frobnicate":                        `unknown command "frobnicate"`,
		"tell":                              "tell it what?",
		"tell -control /nowhere/x {}":       "no such file",
		"serve extra":                       `unexpected argument "extra"`,
		"serve -listen 127.0.0.1:0":         "port 0",
		"serve -listen 127.0.0.1":           "-uuid is required",
		"serve -uuid x -listen 127.0.0.1":   `-uuid: "x"`,
		"serve -uuid " + uuid:               "-listen is required",
		"serve -listen storage.example.com": "not an IP address",
		"serve -size 12":                    `"12" is not a size`,
		"serve -uuid " + uuid + " -listen 127.0.0.1 -nqn x":        "subsystems[0].nqn:",
		"serve -uuid " + uuid + " -listen 127.0.0.1 -size 1000B":   "subsystems[0].namespaces[0].size: 1000",
		"serve -uuid " + uuid + " -listen 127.0.0.1 -file /absent": "subsystems[0].namespaces[0].file: open /absent",
		"serve -config /absent":                                    "-config: open /absent",
		"serve -nqn x -config " + file("{}"):                       "-nqn:",
		"serve -config " + file("{}"):                              "subsystems: there is none",
		"serve -config " + file(`{"subsystem":[]}`):                `unknown field "subsystem"`,
	} {
		t.Run(args, func(t *testing.T) {
			err := run(t.Context(), strings.Fields(args), io.Discard)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("braid-target %s: error %v, want one with %q", args, err, want)
			}
		})
	}
}

func TestUsage(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"help"}, &out); err != nil {
		t.Fatal(err)
	}
	for _, c := range commands {
		if !strings.Contains(out.String(), c.name) {
			t.Errorf("the usage does not tell of %s:\n%s", c.name, &out)
		}
	}
	if err := run(t.Context(), []string{"serve", "-h"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
}

// TestServe starts a target from a file, tells it things, and ends it.
func TestServe(t *testing.T) {
	dir := t.TempDir()
	name, socket := filepath.Join(dir, "target.json"), filepath.Join(dir, "run", "target.sock")
	const config = `{
		"subsystems": [{"nqn": "nqn.2026-11.test.braid:s1", "quiesceTime": "2s", "namespaces": [
			{"nsid": 1, "ids": ["uuid:0c7f0c1e-7d4f-4f4c-9a3f-3c1b2a190801"], "size": "1MiB", "anaGroup": 2}
		]}],
		"ports": [{"id": 1, "address": "127.0.0.1:0"}, {"id": 2, "address": "[::1]:0", "ana": {"2": "non-optimized"}}]
	}`
	if err := os.WriteFile(name, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"serve", "-config", name, "-control", socket}, io.Discard) }()
	wait, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := control.Do(wait, socket, control.Request{Do: "show"}); err == nil {
			break
		}
		select {
		case err := <-ended:
			t.Fatalf("it ended: %v", err)
		case <-wait.Done():
			t.Fatal("the target takes no orders")
		case <-tick.C:
		}
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"tell", "-control", socket, `{"do":"cut","port":1}`, `{"do":"show"}`}, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"cut":true`, `"ana":{"2":"non-optimized"}`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in %s", want, &out)
		}
	}
	if err := run(t.Context(), []string{"tell", "-control", socket, `{"do":"cut","port":7}`}, &out); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("cutting a port that is not there: %v", err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
}
