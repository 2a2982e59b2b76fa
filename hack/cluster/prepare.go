package cluster

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/braid-csi/braid/hack/cluster/cache"
	"github.com/braid-csi/braid/hack/cluster/disk"
	"github.com/braid-csi/braid/hack/cluster/hyper"
	"github.com/braid-csi/braid/hack/kernel"
)

// parts are what clusters are made of, all in the cache.
type parts struct {
	hack     string // Braid's source, for the node's own programs
	cache    string
	programs *hyper.Programs
	debian   string
	kernel   *kernel.Kernel
	disk     string
}

// Prepare brings everything into the cache that clusters are made of, so that
// Start needs no network and no minutes.
func Prepare(ctx context.Context, cfg Config) error {
	_, err := prepare(ctx, cfg.withDefaults())
	return err
}

func prepare(ctx context.Context, cfg Config) (*parts, error) {
	var p parts
	var err error
	if p.cache, err = kernel.DefaultDir(); err != nil {
		return nil, err
	}
	if p.hack, err = hyper.FindSource(); err != nil {
		return nil, err
	}
	store := cache.Store{Dir: p.cache, Progress: cfg.Progress}
	if p.debian, err = disk.Packages(ctx, store); err != nil {
		return nil, err
	}
	if p.programs, err = hyper.Get(ctx, store, p.hack); err != nil {
		return nil, err
	}
	if cfg.ControlPlaneOnly {
		return &p, nil
	}
	spec, err := kernel.Lookup(cfg.Kernel)
	if err != nil {
		return nil, err
	}
	if p.kernel, err = kernel.NewCache(p.cache, cfg.Progress).Get(ctx, spec); err != nil {
		return nil, err
	}
	contents := disk.Contents{Debian: p.debian, Programs: p.programs, Kernel: p.kernel}
	if cfg.Kubelet136 {
		if contents.Kubelet, err = hyper.Kubelet136(ctx, store, p.hack); err != nil {
			return nil, err
		}
	}
	p.disk, err = disk.Image(ctx, store, contents)
	return &p, err
}

// Build compiles one of the test bed's programs, such as braid-rig, into a
// folder, for the node or for an image, and returns where it is.
func Build(ctx context.Context, name, dir string) (string, error) {
	hack, err := hyper.FindSource()
	if err != nil {
		return "", err
	}
	return (&parts{hack: hack}).build(ctx, name, dir)
}

// build compiles one of our own programs for the node: Go's build cache makes
// that a matter of a second.
func (p *parts) build(ctx context.Context, name, dir string) (string, error) {
	to := filepath.Join(dir, name)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", to, "./cmd/"+name)
	cmd.Dir = p.hack
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w: %s", name, err, bytes.TrimSpace(out))
	}
	return to, nil
}

// etcd is Debian's, run from where it was unpacked.
func (p *parts) etcd() string { return filepath.Join(p.debian, "usr/bin/etcd") }

// Busybox is a static program with everything a tiny image needs.
func Busybox(ctx context.Context, cfg Config) (string, error) {
	cfg = cfg.withDefaults()
	dir, err := kernel.DefaultDir()
	if err != nil {
		return "", err
	}
	debian, err := disk.Packages(ctx, cache.Store{Dir: dir, Progress: cfg.Progress})
	return filepath.Join(debian, "usr/bin/busybox"), err
}
