package bpf

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// Hook is how the program is attached to the kernel's function.
type Hook string

// The hooks, best first.
const (
	Fentry Hook = "fentry"
	Kprobe Hook = "kprobe"
)

// Failovers counts requests that fail over, by the diskseq of the path's disk,
// from Attach to Close.
type Failovers struct {
	count
	hook   Hook
	events *ebpf.Map
}

// Attach begins to count, by the best hook that this kernel has. The error wraps
// ErrUnsupported and says of each hook why not.
func Attach() (*Failovers, error) {
	f, err := AttachBy(Fentry)
	if err == nil {
		return f, nil
	}
	f, kprobe := AttachBy(Kprobe)
	if kprobe == nil {
		return f, nil
	}
	if errors.Is(err, unix.EPERM) && errors.Is(kprobe, unix.EPERM) {
		return nil, err // the same twice
	}
	return nil, fmt.Errorf("%w; %w", err, kprobe)
}

// AttachBy begins to count by one hook.
func AttachBy(h Hook) (*Failovers, error) {
	f := &Failovers{hook: h}
	if err := f.attach(); err != nil {
		_ = f.Close() // the error is that of attaching
		return nil, fmt.Errorf("%w: %s: %w", ErrUnsupported, h, explain(failoverFunction, err))
	}
	return f, nil
}

func (f *Failovers) attach() error {
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		return fmt.Errorf("the kernel's BTF: %w", err)
	}
	l, err := layoutOf(kernel, f.hook, runtime.GOARCH)
	if err != nil {
		return err
	}
	if err := f.makeMap("braid_failovers"); err != nil {
		return err
	}
	// As small as they come: what matters is whether there is something in it.
	f.events, err = ebpf.NewMap(&ebpf.MapSpec{Name: "braid_events", Type: ebpf.RingBuf, MaxEntries: uint32(os.Getpagesize())})
	if err != nil {
		return err
	}
	return f.run(failoverInstructions(f.hook, l, f.counts.FD(), f.events.FD()))
}

// run loads the program and attaches it.
func (f *Failovers) run(program asm.Instructions) (err error) {
	if f.hook == Fentry {
		return f.trace(failoverFunction, ebpf.AttachTraceFEntry, program)
	}
	f.program, err = ebpf.NewProgram(&ebpf.ProgramSpec{Name: programName, License: license, Instructions: program, Type: ebpf.Kprobe})
	if err != nil {
		return err
	}
	f.link, err = link.Kprobe(failoverFunction, f.program, nil)
	return err
}

// Hook is how the program is attached.
func (f *Failovers) Hook() Hook { return f.hook }

// Close stops counting and forgets the counts.
func (f *Failovers) Close() error { return errors.Join(f.count.Close(), f.events.Close()) }
