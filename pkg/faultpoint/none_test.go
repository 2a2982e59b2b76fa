//go:build !faultpoints

package faultpoint

import (
	"bytes"
	"os"
	"os/exec"
	"testing"
)

// TestReleaseHasNone looks for the socket's name in braid-node as it is
// released: a program that asks nobody does not know whom to ask.
func TestReleaseHasNone(t *testing.T) {
	for _, build := range []struct {
		tags string
		asks bool
	}{{"", false}, {"faultpoints", true}} {
		binary := t.TempDir() + "/braid-node"
		cmd := exec.Command("go", "build", "-tags", build.tags, "-o", binary, "github.com/braid-csi/braid/cmd/braid-node")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build with tags %q: %v: %s", build.tags, err, out)
		}
		if asks := contains(t, binary, Socket); asks != build.asks {
			t.Errorf("built with tags %q: braid-node has fault points: %t, want %t", build.tags, asks, build.asks)
		}
	}
}

// TestBeforeCostsNothing wants nothing to be done or allocated.
func TestBeforeCostsNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { Before("write", "file") }); n != 0 {
		t.Errorf("%.0f allocations", n)
	}
}

func contains(t *testing.T, file, text string) bool {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(b, []byte(text))
}
