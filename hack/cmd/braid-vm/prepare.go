package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/braid-csi/braid/hack/initramfs"
	"github.com/braid-csi/braid/hack/kernel"
)

// fetchKernel brings a kernel into the cache, so that later runs need no
// network, and prints its release.
func fetchKernel(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("braid-vm kernel", flag.ContinueOnError)
	name := f.String("kernel", os.Getenv("BRAID_KERNEL"), "kernel `spec`: "+strings.Join(kernel.Names(), ", "))
	update := f.Bool("update", false, "look for a newer release even if the cache has one")
	if err := f.Parse(args); err != nil {
		return err
	}
	spec, err := kernel.Lookup(*name)
	if err != nil {
		return err
	}
	dir, err := kernel.DefaultDir()
	if err != nil {
		return err
	}
	get := kernel.NewCache(dir, progress).Get
	if *update {
		get = kernel.NewCache(dir, progress).Update
	}
	k, err := get(ctx, spec)
	if err != nil {
		return err
	}
	fmt.Println(k.Release)
	return nil
}

// setup installs the Debian packages this machine lacks.
func setup(ctx context.Context) error {
	missing := initramfs.MissingPackages()
	if len(missing) == 0 {
		progress("all host tools are installed")
		return nil
	}
	progress("installing %s", strings.Join(missing, " "))
	for _, args := range [][]string{
		{"update", "-q"},
		append([]string{"install", "-q", "-y", "--no-install-recommends"}, missing...),
	} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("apt-get %s: %w", args[0], err)
		}
	}
	if missing := initramfs.MissingPackages(); len(missing) > 0 {
		return fmt.Errorf("still missing after installation: %s", strings.Join(missing, " "))
	}
	return nil
}
