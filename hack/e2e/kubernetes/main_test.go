package kubernetes

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/braid-csi/braid/hack/lab"
)

// TestMain ends the cluster that the scenarios share.
func TestMain(m *testing.M) {
	code := m.Run()
	if err := shared.close(); err != nil {
		fmt.Fprintf(os.Stderr, "ending the cluster: %v\n", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// sharedLab is one cluster at a time: two would take turns on the processor.
type sharedLab struct {
	lab   *lab.Lab
	kind  kind
	count int
}

var shared sharedLab

// get returns a cluster of that kind, and starts it if it is not there.
func (s *sharedLab) get(t *testing.T, k kind) *lab.Lab {
	t.Helper()
	if s.lab != nil && s.lab.Err() == nil && s.kind.same(k) {
		return s.lab
	}
	if err := s.close(); err != nil {
		t.Logf("ending the last cluster: %v", err)
	}
	source, err := lab.FindSource()
	must(t, err)
	s.count++
	cfg := lab.Config{
		Source: source, Gates: k.gates, Kubelet136: k.kubelet136, Kernel: os.Getenv("BRAID_KERNEL"),
		Image:    cmp.Or(os.Getenv("BRAID_IMAGE"), lab.ImageFile(source)),
		Logs:     filepath.Join(artifacts(t), fmt.Sprintf("cluster-%d", s.count)),
		Progress: func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) },
	}
	// A test of the tests has them run with a braid-node that does something wrong.
	cfg.Program = os.Getenv("BRAID_NODE")
	if k.faultpoints {
		cfg.Program = filepath.Join(source, "bin", "braid-node-faultpoints")
	}
	if _, err := os.Stat(cfg.Image); err != nil {
		t.Fatalf("no image of Braid (make image): %v", err)
	}
	// The cluster outlives the test that starts it.
	s.lab, err = lab.Start(context.WithoutCancel(t.Context()), cfg)
	must(t, err)
	s.kind = k
	return s.lab
}

// close ends the cluster, if there is one.
func (s *sharedLab) close() error {
	if s.lab == nil {
		return nil
	}
	err := s.lab.Close()
	s.lab = nil
	return err
}

// artifacts is the folder for evidence.
func artifacts(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("BRAID_ARTIFACTS"); dir != "" {
		return dir
	}
	source, err := lab.FindSource()
	must(t, err)
	return filepath.Join(source, "artifacts", "e2e-kubernetes")
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
