// Package lab is a cluster in which Braid can be installed, with a target on
// its node: what the story and the tests on Kubernetes play on.
//
//	this machine                      node, a virtual machine
//	┌────────────────────┐            ┌───────────────────────────────────┐
//	│ helm, kubectl ─────┼── API ────►│ braid-node, braid-controller      │
//	│                    │  server    │ pod: braid-writer ── volume       │
//	│ rig/remote ────────┼───────────►│ braid-rig: target, faults, sysfs  │
//	└────────────────────┘            └───────────────────────────────────┘
//
// What Braid says is asked for as its users do, with kubectl. What is true is
// asked of braid-rig, which knows nothing of Braid and of Kubernetes.
//
// 2026-11-22: kubectl is run rather than a client linked in. A question costs
// 0.1 s, which is little beside the emulated node, and what a test sees is what
// a person at a terminal would.
package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/braid-csi/braid/hack/cluster"
	"github.com/braid-csi/braid/hack/rig"
	"github.com/braid-csi/braid/hack/rig/remote"
)

// NodeName is the node that has a machine behind it.
const NodeName = "node1"

// The directories of the node in which volumes leave traces.
const (
	KubeletDir = "/var/lib/kubelet"
	StateDir   = "/var/lib/braid"
)

// Config describes a lab. Paths of this machine are absolute.
type Config struct {
	// Source is the root of Braid's source, in which charts/braid and bin/helm
	// are.
	Source string
	// Image is the tarball of Braid's image.
	Image string
	// Program runs as braid-node instead of the image's, if given.
	Program string
	// Gates are the feature gates of all of Kubernetes's programs.
	Gates map[string]bool
	// Kernel is the node's.
	Kernel string
	// Kubelet136 gives the node an older kubelet than the cluster has.
	Kubelet136 bool
	// Logs is the folder for the logs of the cluster.
	Logs     string
	Progress func(format string, args ...any)
}

// Lab is a running one.
type Lab struct {
	*cluster.Cluster
	cfg Config
	// values are the chart's.
	values string
	// dir is where commands run: what they are given by name is there.
	dir string
}

// Start starts a cluster whose node has Braid's image and the test bed's
// programs. Braid is not installed yet.
func Start(ctx context.Context, cfg Config) (*Lab, error) {
	dir, err := os.MkdirTemp("", "braid-lab-")
	if err != nil {
		return nil, err
	}
	l := &Lab{cfg: cfg, dir: dir}
	if err := l.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("lab: %w", err), l.Close())
	}
	return l, nil
}

func (l *Lab) start(ctx context.Context) error {
	if err := os.Symlink(filepath.Join(l.cfg.Source, "charts"), l.File("charts")); err != nil {
		return err
	}
	repository, tag, err := imageName(l.cfg.Image)
	if err != nil {
		return err
	}
	l.values = fmt.Sprintf(values, repository, tag)
	writer, err := writerImage(ctx, l.dir)
	if err != nil {
		return err
	}
	program, err := cluster.Build(ctx, filepath.Base(remote.Program), l.dir)
	if err != nil {
		return err
	}
	l.Cluster, err = cluster.Start(ctx, cluster.Config{
		Kernel: l.cfg.Kernel, Kubelet136: l.cfg.Kubelet136, NodeName: NodeName, FeatureGates: l.cfg.Gates,
		Images: []string{l.cfg.Image, writer}, Logs: l.cfg.Logs, Progress: l.cfg.Progress,
		// A node that is gone is called so soon, for those who wait for it.
		ControllerManagerFlags: []string{"--node-monitor-grace-period=20s"},
	})
	if err != nil {
		return err
	}
	if err := l.Node.Put(ctx, program, remote.Program); err != nil || l.cfg.Program == "" {
		return err
	}
	return l.Node.Put(ctx, l.cfg.Program, nodeProgram)
}

// File is a place in the folder in which commands run.
func (l *Lab) File(name string) string { return filepath.Join(l.dir, name) }

// Close ends the cluster.
func (l *Lab) Close() error {
	var err error
	if l.Cluster != nil {
		err = l.Cluster.Close()
	}
	return errors.Join(err, os.RemoveAll(l.dir))
}

// NewRig builds a target on the node. There can be one at a time.
func (l *Lab) NewRig(ctx context.Context, cfg rig.Config) (*remote.Rig, error) {
	cfg.Paths = cmp.Or(cfg.Paths, 2)
	return remote.New(ctx, l.Node, cfg)
}
