package native

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/multipath"
)

const opcodeRead = 0x02

// Stir has something sent by every connection of a controller: by that of the
// admin queue a command to identify itself, and by those of the I/O queues a read
// of one block each, past the head and its choice of paths. The latter the kernel
// does for controllers with a single namespace only (NVME_IOCTL_IO_CMD of the
// controller's device, Linux 7.2). Nothing is waited for.
func (e *Engine) Stir(ctx context.Context, c multipath.Controller, s *multipath.Subsystem) error {
	inode, err := inodeOf(c.Epoch)
	if err != nil {
		return err
	}
	j := job{Stir: c.Name, Dev: e.dev, Inode: inode}
	only := 0
	for i := range s.Heads {
		for _, p := range s.Heads[i].Paths {
			if p.Controller == c.Name {
				only++
				j.Path, j.NSID = p.Name, s.Heads[i].NSID
			}
		}
	}
	if only != 1 {
		j.Path = ""
	}
	return e.ask(ctx, j)
}

// Read has the beginning of a head be read past the page cache, by the path that
// the kernel chooses. Nothing is waited for: whoever wants to know what came of it
// looks at what the paths have completed.
func (e *Engine) Read(ctx context.Context, h *multipath.Head) error {
	return e.ask(ctx, job{Read: h.Device, DevNum: h.DevNum})
}

// ask starts a job whose end nobody waits for.
func (e *Engine) ask(ctx context.Context, j job) error {
	done, err := e.start(j)
	if err != nil {
		return err
	}
	go func() {
		if err := (<-done).err(); err != nil {
			klog.FromContext(ctx).V(2).Info("A question about a path has no answer", "controller", j.Stir, "device", j.Read, "err", err)
		}
	}()
	return nil
}

// stir asks by all queues at once: each waits for its own answer.
func (j job) stir() error {
	fd, err := j.openNode(j.Stir)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var asking sync.WaitGroup
	answers := make(chan error)
	asking.Go(func() { answers <- identify(fd) })
	cpus, size, err := j.queues()
	for _, cpu := range cpus {
		asking.Go(func() { answers <- j.readOn(cpu, fd, size) })
	}
	go func() {
		asking.Wait()
		close(answers)
	}()
	errs := []error{err}
	for err := range answers {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// queues returns a processor of each I/O queue of the path, and the size of a
// block.
func (j job) queues() (cpus []int, blockSize int, err error) {
	if j.Path == "" {
		return nil, 0, nil
	}
	attr := newAttributes(j.SysFS)
	disk := filepath.Join(controllerClass, j.Stir, j.Path)
	text, err := attr.read(disk, "queue", "logical_block_size")
	if err != nil {
		return nil, 0, err
	}
	if blockSize, err = strconv.Atoi(text); err != nil {
		return nil, 0, fmt.Errorf("block size: %w", err)
	}
	lists, err := filepath.Glob(filepath.Join(j.SysFS, disk, "mq", "*", "cpu_list"))
	if err != nil {
		return nil, 0, err
	}
	for _, list := range lists {
		text, err := attr.read(strings.TrimPrefix(list, j.SysFS))
		if err != nil {
			return nil, 0, err
		}
		first, _, _ := strings.Cut(text, ",")
		cpu, err := strconv.Atoi(strings.TrimSpace(first))
		if err != nil {
			continue // a queue of no processor that is there
		}
		cpus = append(cpus, cpu)
	}
	return cpus, blockSize, nil
}

// readOn reads a block by the queue of a processor.
func (j job) readOn(cpu, fd, size int) error {
	runtime.LockOSThread() // and never back: the thread ends with this
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return err
	}
	return passThrough(fd, ioctlIO, command{opcode: opcodeRead, nsid: j.NSID}, size)
}
