package main

import (
	"context"
	"fmt"
	"os/exec"
	"path"
	"path/filepath"

	"github.com/braid-csi/braid/hack/guest"
	"github.com/braid-csi/braid/hack/initramfs"
)

// runProgram runs a host program in a guest, or one of the guest's own.
func runProgram(ctx context.Context, args []string) (int, error) {
	o, args, err := parse("run", args)
	if err != nil {
		return 0, err
	}
	root := initramfs.NewTree()
	program, err := o.locate(root, args[0])
	if err != nil {
		return 0, err
	}
	return o.start(ctx, root, guest.Command{Args: append([]string{program}, args[1:]...), Dir: "/root"})
}

// locate returns the program's guest path. What -add puts there wins, then a
// host program is added; a bare name is looked up on PATH, as a shell does.
func (o *options) locate(root *initramfs.Tree, program string) (string, error) {
	for _, p := range o.add {
		if p.guest == program {
			return program, nil
		}
	}
	host, err := exec.LookPath(program)
	if err != nil {
		return "", fmt.Errorf("program to run: %w", err)
	}
	to := path.Join("/usr/local/bin", filepath.Base(host))
	return to, root.Program(to, host)
}
