// Package vm runs one program in a virtual machine of its own and returns how
// it ended. By itself the machine has no disk and no network: an initramfs goes
// in, four serial ports come out.
package vm

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/braid-csi/braid/hack/guest"
	"github.com/braid-csi/braid/hack/initramfs"
	"github.com/braid-csi/braid/hack/kernel"
)

// Config describes a machine.
type Config struct {
	Kernel *kernel.Kernel
	// Root is the guest's root file system; Run adds the command to it.
	Root    *initramfs.Tree
	Command guest.Command
	// Memory is the guest's, in MiB. The initramfs is part of it, twice while
	// it is unpacked.
	Memory int
	CPUs   int
	// Disks are image files the guest reads as /dev/vda and so on.
	Disks []string
	// Tap is the machine's only network interface, as the host has it open.
	Tap *os.File
	// Timeout bounds the machine's life.
	Timeout time.Duration
	// Stdout and Stderr get the program's output as it is written.
	Stdout, Stderr io.Writer
	// Artifacts is the folder for the program's files and the kernel's console
	// log; none are kept if it is empty.
	Artifacts string
}

// Run boots the machine, runs the command in it and waits for its end. The
// status is the program's; an error means there is none.
func Run(ctx context.Context, cfg Config) (guest.Status, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.Timeout, fmt.Errorf("not finished after %s", cfg.Timeout))
	defer cancel()

	initrd, err := writeInitrd(cfg)
	if err != nil {
		return guest.Status{}, err
	}
	defer initrd.Close()

	console, err := newConsole(cfg.Artifacts)
	if err != nil {
		return guest.Status{}, err
	}
	defer func() { _ = console.Close() }()
	files := newReceiver(cfg.Artifacts)
	defer func() { _ = files.Close() }()
	var status bytes.Buffer

	machine, powerOff := context.WithCancel(ctx)
	defer powerOff()
	go func() {
		// The files are the last the guest sends. If it cannot power off by
		// itself then, nothing is lost by pulling the plug.
		<-files.complete
		time.AfterFunc(patience, powerOff)
	}()
	err = boot(machine, cfg, initrd, sinks{
		console: console, stdout: cfg.Stdout, stderr: cfg.Stderr, status: &status, files: files,
	})
	if ctx.Err() != nil {
		return guest.Status{}, console.explain(fmt.Errorf("guest stopped: %w", context.Cause(ctx)))
	}
	var s guest.Status
	if json.Unmarshal(status.Bytes(), &s) != nil {
		return s, console.explain(cmp.Or(err, errNoStatus))
	}
	if s.Error != "" {
		return s, fmt.Errorf("guest: %s", s.Error)
	}
	return s, files.Close()
}

// patience is how long a guest may take to power off.
const patience = 5 * time.Second

var errNoStatus = errors.New("guest ended without an exit status: it did not boot, or its kernel panicked")

// writeInitrd writes the initramfs to a file without a name, which is gone with
// our process however that ends.
func writeInitrd(cfg Config) (*os.File, error) {
	command, err := json.Marshal(cfg.Command)
	if err != nil {
		return nil, err
	}
	cfg.Root.Content(guest.CommandFile, command, 0o644)
	f, err := memoryFile("initrd")
	if err != nil {
		return nil, fmt.Errorf("initramfs: %w", err)
	}
	if _, err := cfg.Root.WriteTo(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
