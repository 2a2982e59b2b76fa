package bpf

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// stateFunction is where the kernel moves a controller to another state (Linux
// 4.8 to at least 7.3, drivers/nvme/host/core.c):
//
//	bool f(struct nvme_ctrl *, enum nvme_ctrl_state)
const stateFunction = "nvme_change_ctrl_state"

// Resets counts how often controllers begin to reset, by the inode number of
// the controller's directory in sysfs, from AttachResets to Close.
type Resets struct{ count }

// AttachResets begins to count. There is no kprobe for it: whether the state
// was changed is known only as the function ends, without its arguments.
func AttachResets() (*Resets, error) {
	r := &Resets{}
	if err := r.attach(); err != nil {
		_ = r.Close() // the error is that of attaching
		return nil, fmt.Errorf("%w: resets: %w", ErrUnsupported, explain(stateFunction, err))
	}
	return r, nil
}

func (r *Resets) attach() error {
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		return fmt.Errorf("the kernel's BTF: %w", err)
	}
	core, err := btf.LoadKernelModuleSpec("nvme_core")
	if errors.Is(err, fs.ErrNotExist) {
		core, err = kernel, nil // it is built in
	}
	if err != nil {
		return fmt.Errorf("the BTF of nvme_core: %w", err)
	}
	l, err := controllerLayoutOf(kernel, core)
	if err != nil {
		return err
	}
	if err := r.makeMap("braid_resets"); err != nil {
		return err
	}
	return r.trace(stateFunction, ebpf.AttachTraceFExit, resetInstructions(l, r.counts.FD()))
}

// controllerLayout is where the kernel keeps what leads from a controller to its
// directory in sysfs, as byte offsets.
type controllerLayout struct {
	device    int16 // of device in struct nvme_ctrl
	directory int16 // of kobj.sd in struct device
	inode     int16 // of id in struct kernfs_node
	resetting int32 // the value of NVME_CTRL_RESETTING
}

func controllerLayoutOf(kernel, core *btf.Spec) (l controllerLayout, err error) {
	if l.device, err = offsetOf(core, "nvme_ctrl", "device"); err != nil {
		return l, err
	}
	object, err := offsetOf(kernel, "device", "kobj")
	if err != nil {
		return l, err
	}
	directory, err := offsetOf(kernel, "kobject", "sd")
	if err != nil {
		return l, err
	}
	l.directory = object + directory
	if l.inode, err = offsetOf(kernel, "kernfs_node", "id"); err != nil {
		return l, err
	}
	l.resetting, err = valueOf(core, "nvme_ctrl_state", "NVME_CTRL_RESETTING")
	return l, err
}

// valueOf returns the value of an enum's constant.
func valueOf(types *btf.Spec, enum, constant string) (int32, error) {
	var e *btf.Enum
	if err := types.TypeByName(enum, &e); err != nil {
		return 0, fmt.Errorf("enum %s in the kernel's BTF: %w", enum, err)
	}
	for _, v := range e.Values {
		if v.Name == constant {
			return int32(v.Value), nil
		}
	}
	return 0, fmt.Errorf("enum %s of this kernel has no %s", enum, constant)
}

// resetInstructions is the program: where a controller was moved to resetting,
// one is added to what its inode has in the map with the descriptor counts.
func resetInstructions(l controllerLayout, counts int) asm.Instructions {
	const controller, state, changed = 0, 8, 16 // the arguments, and the result
	p := asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, state, asm.DWord),
		asm.JNE.Imm32(asm.R2, l.resetting, "end"),
		asm.LoadMem(asm.R2, asm.R1, changed, asm.DWord),
		asm.And.Imm(asm.R2, 0xff), // a bool is one byte
		asm.JEq.Imm(asm.R2, 0, "end"),
		asm.LoadMem(asm.R6, asm.R1, controller, asm.DWord),
		asm.LoadMem(asm.R6, asm.R6, l.device, asm.DWord),
		asm.LoadMem(asm.R6, asm.R6, l.directory, asm.DWord),
		asm.LoadMem(asm.R6, asm.R6, l.inode, asm.DWord),
	}
	return append(append(p, add(counts)...), end()...)
}
