package disk

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/braid-csi/braid/hack/cluster/cache"
	"github.com/braid-csi/braid/hack/cluster/hyper"
	"github.com/braid-csi/braid/hack/kernel"
)

// etc is what no package brings: the configuration of this very node.
//
//go:embed etc
var etc embed.FS

// Contents are what a disk is made of.
type Contents struct {
	// Debian is the folder Packages returned.
	Debian   string
	Programs *hyper.Programs
	// Kubelet takes the place of the kubelet in Programs, if there is one.
	Kubelet *hyper.Programs
	Kernel  *kernel.Kernel
}

// Image returns the file of a disk with an ext4 file system, which is made if
// the cache does not have it.
func Image(ctx context.Context, store cache.Store, c Contents) (string, error) {
	config, err := readAll(etc)
	if err != nil {
		return "", err
	}
	parts := []string{filepath.Base(c.Debian), c.Programs.Key(), c.Kernel.Release, config}
	if c.Kubelet != nil {
		parts = append(parts, c.Kubelet.Key())
	}
	key := cache.Key(parts...)
	dir, err := store.Get(ctx, "nodes", key, func(ctx context.Context, dir string) error {
		store.Progress("node: making its disk")
		root := filepath.Join(dir, "root")
		if err := c.stage(root); err != nil {
			return err
		}
		if err := makeFilesystem(ctx, root, filepath.Join(dir, imageName)); err != nil {
			return err
		}
		return os.RemoveAll(root)
	})
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, imageName), nil
}

const imageName = "node.ext4"

// stage links everything into one folder, which costs no space.
func (c Contents) stage(root string) error {
	for _, dir := range []string{
		"dev", "proc", "sys", "run", "tmp", "root", "mnt", "opt/cni/bin",
		"var/tmp", "var/log", "var/lib/containerd", "var/lib/kubelet",
	} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	if err := os.Symlink("/run", filepath.Join(root, "var/run")); err != nil {
		return err
	}
	for from, to := range map[string]string{
		c.Debian:           "",
		c.Programs.Dir:     "usr/local/bin",
		c.Kernel.Modules(): filepath.Join("usr/lib/modules", c.Kernel.Release),
	} {
		if err := cache.Link(from, filepath.Join(root, to)); err != nil {
			return fmt.Errorf("contents of the disk: %w", err)
		}
	}
	if c.Kubelet != nil {
		to := filepath.Join(root, "usr/local/bin/kubelet")
		if err := errors.Join(os.Remove(to), os.Link(c.Kubelet.Path("kubelet"), to)); err != nil {
			return fmt.Errorf("contents of the disk: %w", err)
		}
	}
	return writeAll(etc, root)
}

// makeFilesystem writes a folder as an ext4 image. It has no journal, since
// nobody writes to it, and the file has holes where nothing is.
func makeFilesystem(ctx context.Context, root, file string) error {
	cmd := exec.CommandContext(ctx, "mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal",
		"-E", "root_owner=0:0", "-d", root, file, "2G")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mkfs.ext4: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

func readAll(from fs.FS) (string, error) {
	var all bytes.Buffer
	err := fs.WalkDir(from, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(from, name)
		fmt.Fprintf(&all, "%s\n%s", name, b)
		return err
	})
	return all.String(), err
}

// writeAll replaces files, rather than write into ones that are links to the
// cache's.
func writeAll(from fs.FS, root string) error {
	return fs.WalkDir(from, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(root, name)
		if d.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		b, err := fs.ReadFile(from, name)
		if err != nil {
			return err
		}
		if err := os.RemoveAll(to); err != nil {
			return err
		}
		return os.WriteFile(to, b, 0o644)
	})
}
