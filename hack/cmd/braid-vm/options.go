package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/braid-csi/braid/hack/guest"
	"github.com/braid-csi/braid/hack/initramfs"
	"github.com/braid-csi/braid/hack/kernel"
	"github.com/braid-csi/braid/hack/vm"
)

// options are the flags of exec and run.
type options struct {
	kernel    string
	add       pairs
	modules   string
	artifacts string
	timeout   time.Duration
	memory    int
	cpus      int
}

// parse returns the options and the program with its arguments: flags end at
// the first argument that is none.
func parse(name string, args []string) (*options, []string, error) {
	o := &options{}
	f := flag.NewFlagSet("braid-vm "+name, flag.ContinueOnError)
	f.StringVar(&o.kernel, "kernel", os.Getenv("BRAID_KERNEL"), "kernel `spec`: "+strings.Join(kernel.Names(), ", ")+" (default $BRAID_KERNEL or "+kernel.Default+")")
	f.Var(&o.add, "add", "add a host file or folder, as `HOSTPATH=GUESTPATH`; programs with their libraries; may be repeated")
	f.StringVar(&o.modules, "modules", "", "load these kernel `modules` before the program starts, comma-separated")
	f.StringVar(&o.artifacts, "o", "", "`folder` for the files the program leaves in "+guest.OutDir+" and the kernel's logs")
	f.DurationVar(&o.timeout, "timeout", 30*time.Minute, "end the machine after this `time`")
	f.IntVar(&o.memory, "mem", 2048, "memory of the machine in `MiB`")
	f.IntVar(&o.cpus, "cpus", min(2, runtime.NumCPU()), "`number` of processors")
	if err := f.Parse(args); err != nil {
		return nil, nil, err
	}
	if f.NArg() == 0 {
		return nil, nil, fmt.Errorf("%s: no program given", f.Name())
	}
	return o, f.Args(), nil
}

// start boots a machine with the program, which is already in the tree or on
// the guest's PATH, and returns its exit status.
func (o *options) start(ctx context.Context, root *initramfs.Tree, cmd guest.Command) (int, error) {
	spec, err := kernel.Lookup(o.kernel)
	if err != nil {
		return 0, err
	}
	cache, err := kernel.DefaultDir()
	if err != nil {
		return 0, err
	}
	k, err := kernel.NewCache(cache, progress).Get(ctx, spec)
	if err != nil {
		return 0, err
	}
	if o.modules != "" {
		cmd.Modules = strings.Split(o.modules, ",")
	}
	if err := o.fill(root, k, cmd.Modules); err != nil {
		return 0, err
	}
	cmd.Env = environment()
	status, err := vm.Run(ctx, vm.Config{
		Kernel: k, Root: root, Command: cmd, Memory: o.memory, CPUs: o.cpus, Timeout: o.timeout,
		Stdout: os.Stdout, Stderr: os.Stderr, Artifacts: o.artifacts,
	})
	return status.Exit, err
}

// fill adds everything but the program: the guest's first process, tools,
// kernel modules and what -add names.
func (o *options) fill(root *initramfs.Tree, k *kernel.Kernel, modules []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := root.Program("/init", self); err != nil {
		return err
	}
	if err := root.Skeleton(); err != nil {
		return err
	}
	if err := root.Tools(); err != nil {
		return err
	}
	if err := root.KernelModules(k.Modules(), k.Release, append(modules, initramfs.Modules...)); err != nil {
		return err
	}
	for _, p := range o.add {
		if err := p.addTo(root); err != nil {
			return fmt.Errorf("-add %s: %w", p, err)
		}
	}
	return nil
}

// environment is the guest program's: ours stays here but for BRAID_*. In the
// guest standard output is never a terminal, so what it is here goes along.
func environment() []string {
	env := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root", "USER=root", "LC_ALL=C", "TMPDIR=/tmp",
	}
	for _, kv := range os.Environ() {
		if strings.HasPrefix(kv, "BRAID_") {
			env = append(env, kv)
		}
	}
	if _, err := unix.IoctlGetTermios(int(os.Stdout.Fd()), unix.TCGETS); err == nil && os.Getenv("NO_COLOR") == "" {
		env = append(env, guest.ColorVariable+"=1")
	}
	return env
}

// pairs is a repeatable HOSTPATH=GUESTPATH flag.
type pairs []pair

type pair struct{ host, guest string }

func (p pair) String() string { return p.host + "=" + p.guest }

func (p *pairs) String() string { return fmt.Sprint(*p) }

func (p *pairs) Set(s string) error {
	host, guest, ok := strings.Cut(s, "=")
	if !ok || host == "" || !filepath.IsAbs(guest) {
		return fmt.Errorf("want HOSTPATH=/GUESTPATH")
	}
	*p = append(*p, pair{host, guest})
	return nil
}

func (p pair) addTo(root *initramfs.Tree) error {
	info, err := os.Stat(p.host)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return root.Folder(p.guest, p.host)
	}
	return root.Program(p.guest, p.host)
}
