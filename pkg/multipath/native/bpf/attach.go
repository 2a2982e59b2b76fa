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

// ErrUnsupported is wrapped by the error that says why nothing can be counted
// on this node.
var ErrUnsupported = errors.New("failovers cannot be counted by BPF")

// Hook is how the program is attached to the kernel's function.
type Hook string

// The hooks, best first.
const (
	Fentry Hook = "fentry"
	Kprobe Hook = "kprobe"
)

// maxPaths is how many lives of paths there is room for. The map is allocated
// at once (about 300 KiB), because the program may run where the kernel cannot
// allocate.
const maxPaths = 4096

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
	f, err := attach(h)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrUnsupported, h, explain(err))
	}
	return f, nil
}

func attach(h Hook) (_ *Failovers, err error) {
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		return nil, fmt.Errorf("the kernel's BTF: %w", err)
	}
	l, err := layoutOf(kernel, h, runtime.GOARCH)
	if err != nil {
		return nil, err
	}
	f := &Failovers{hook: h}
	defer func() {
		if err != nil {
			_ = f.Close() // the error is that of attaching
		}
	}()
	if err := f.makeMaps(); err != nil {
		return nil, err
	}
	if f.program, err = ebpf.NewProgram(programFor(h, instructions(h, l, f.counts.FD(), f.events.FD()))); err != nil {
		return nil, err
	}
	if h == Kprobe {
		f.link, err = link.Kprobe(function, f.program, nil)
	} else {
		f.link, err = link.AttachTracing(link.TracingOptions{Program: f.program, AttachType: ebpf.AttachTraceFEntry})
	}
	return f, err
}

func programFor(h Hook, program asm.Instructions) *ebpf.ProgramSpec {
	s := &ebpf.ProgramSpec{
		Name: "braid_failovers", License: "Dual BSD/GPL", Instructions: program, Type: ebpf.Kprobe,
	}
	if h == Fentry {
		s.Type, s.AttachType, s.AttachTo = ebpf.Tracing, ebpf.AttachTraceFEntry, function
	}
	return s
}

func (f *Failovers) makeMaps() (err error) {
	f.counts, err = ebpf.NewMap(&ebpf.MapSpec{
		Name: "braid_failovers", Type: ebpf.Hash, KeySize: 8, ValueSize: 8, MaxEntries: maxPaths,
	})
	if err != nil {
		return err
	}
	info, err := f.counts.Info()
	if err != nil {
		return err
	}
	id, ok := info.ID()
	if !ok {
		return errors.New("the kernel gives maps no ID")
	}
	f.id = uint32(id)
	if err := f.counts.Put(uint64(unassigned), uint64(0)); err != nil {
		return err
	}
	// As small as they come: what counts is whether there is something in it.
	f.events, err = ebpf.NewMap(&ebpf.MapSpec{Name: "braid_events", Type: ebpf.RingBuf, MaxEntries: uint32(os.Getpagesize())})
	return err
}

// explain says in words what the kernel's bare errors mean here.
func explain(err error) error {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES) && !isVerifier(err):
		return fmt.Errorf("not permitted (it takes CAP_BPF and CAP_PERFMON or CAP_SYS_ADMIN, and a kernel that is not locked down): %w", err)
	case errors.Is(err, btf.ErrNotSupported):
		return fmt.Errorf("this kernel has no BTF: %w", err)
	case errors.Is(err, btf.ErrNotFound), errors.Is(err, unix.ENOENT):
		return fmt.Errorf("this kernel has no %s, or no BTF of it; is nvme_core loaded, with multipath? %w", function, err)
	}
	return err
}

// isVerifier tells whether the kernel refused the program itself, which it says
// with EACCES too.
func isVerifier(err error) bool {
	var v *ebpf.VerifierError
	return errors.As(err, &v)
}
