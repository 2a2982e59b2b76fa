package kernel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// arrange turns the two layouts packages have into ours: boot/vmlinuz-RELEASE
// and lib/modules up to 6.12, all of it in usr/lib/modules/RELEASE from 7.x on.
func arrange(ctx context.Context, unpacked, dir, release string) error {
	modules := filepath.Join(dir, "lib/modules", release)
	if err := os.MkdirAll(filepath.Dir(modules), 0o755); err != nil {
		return err
	}
	if err := renameFirst(modules, filepath.Join(unpacked, "usr/lib/modules", release), filepath.Join(unpacked, "lib/modules", release)); err != nil {
		return err
	}
	boot := filepath.Join(unpacked, "boot")
	if err := renameFirst(filepath.Join(dir, "vmlinuz"), filepath.Join(modules, "vmlinuz"), filepath.Join(boot, "vmlinuz-"+release)); err != nil {
		return err
	}
	if err := renameFirst(filepath.Join(dir, "config"), filepath.Join(modules, "config"), filepath.Join(boot, "config-"+release)); err != nil {
		return err
	}
	if err := decompress(ctx, modules); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "depmod", "-b", dir, release).CombinedOutput(); err != nil {
		return fmt.Errorf("depmod: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// renameFirst moves the first of the sources that exists.
func renameFirst(to string, from ...string) error {
	for _, f := range from {
		if _, err := os.Lstat(f); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return os.Rename(f, to)
	}
	return fmt.Errorf("unpacked package has none of %s: %w", strings.Join(from, ", "), fs.ErrNotExist)
}

// decompress unpacks every module once, here: an emulated processor takes
// seconds for what this one does in a moment, and at every boot.
func decompress(ctx context.Context, modules string) error {
	var packed []string
	err := filepath.WalkDir(modules, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".ko.xz") {
			packed = append(packed, path)
		}
		return err
	})
	if err != nil || len(packed) == 0 {
		return err
	}
	cmd := exec.CommandContext(ctx, "xz", "--decompress", "--files0")
	cmd.Stdin = strings.NewReader(strings.Join(packed, "\x00") + "\x00")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("decompressing modules: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}
