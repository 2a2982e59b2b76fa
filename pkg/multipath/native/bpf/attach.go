package bpf

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// ErrUnsupported is wrapped by the error that says why something cannot be
// counted on this node.
var ErrUnsupported = errors.New("not counted by BPF")

const (
	programName = "braid_count"
	// license lets a program read the kernel's structures.
	license = "Dual BSD/GPL"
)

// trace loads a program and attaches it to a function of the kernel's, by fentry
// or fexit, or to a tracepoint.
func (c *count) trace(function string, at ebpf.AttachType, program asm.Instructions) (err error) {
	c.program, err = ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: programName, License: license, Instructions: program, Type: ebpf.Tracing, AttachType: at, AttachTo: function,
	})
	if err != nil {
		return err
	}
	c.link, err = link.AttachTracing(link.TracingOptions{Program: c.program, AttachType: at})
	return err
}

// explain says in words what the kernel's bare errors mean here.
func explain(function string, err error) error {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES) && !isVerifier(err):
		return fmt.Errorf("not permitted (it takes CAP_BPF and CAP_PERFMON or CAP_SYS_ADMIN, and a kernel that is not locked down): %w", err)
	case errors.Is(err, btf.ErrNotSupported):
		return fmt.Errorf("this kernel has no BTF: %w", err)
	case errors.Is(err, btf.ErrNotFound), errors.Is(err, unix.ENOENT):
		hint := ""
		if strings.HasPrefix(function, "nvme_") {
			hint = "; is nvme_core loaded, with multipath?"
		}
		return fmt.Errorf("this kernel has no %s, or no BTF of it%s: %w", function, hint, err)
	}
	return err
}

// isVerifier tells whether the kernel refused the program itself, which it says
// with EACCES too.
func isVerifier(err error) bool {
	var v *ebpf.VerifierError
	return errors.As(err, &v)
}
