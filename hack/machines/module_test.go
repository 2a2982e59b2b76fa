package machines

import (
	"cmp"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/kernel"
)

// TestBPFModuleLoadedLate runs the scenario (e2e/module_test.go) on the kernel
// that make was told, in the flavour that has nvme_core as a module: the one
// that all other scenarios run on has it built in.
func TestBPFModuleLoadedLate(t *testing.T) {
	const general = "-general"
	name := strings.TrimSuffix(cmp.Or(os.Getenv("BRAID_KERNEL"), kernel.Default), general) + general
	r, err := machine{
		kernel: name, binary: compile(t, "machines"), timeout: 10 * time.Minute, artifacts: artifacts(t, "module", name),
	}.run(t.Context(), "^TestModuleLoadedLate$", "")
	t.Logf("kernel %s is %s", name, r.about)
	for _, e := range r.ends {
		t.Logf("%s: %s after %s\n%s", e.name, e.result, e.took, e.output)
		if e.result != "PASS" {
			t.Errorf("%s: %s", e.name, e.result)
		}
	}
	if err != nil {
		t.Error(err)
	}
}
