package bpf

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

const (
	// retryFunction is where the kernel puts a request back into its queue to be
	// sent again. NVMe's only caller is nvme_retry_req, which compilers inline
	// (Linux 5.15 to at least 7.3, block/blk-mq.c): void f(struct request *, bool).
	retryFunction = "blk_mq_requeue_request"
	// errorEvent is the tracepoint where a request ends with an error, and the
	// kernel was not told to be quiet about it (Linux 5.18 to at least 7.3,
	// block/blk-mq.c): f(struct request *, blk_status_t, unsigned int bytes).
	errorEvent = "block_rq_error"
)

// Requests counts what becomes of requests besides failing over, by the diskseq
// of the disk, from when it was attached to Close. Disks that are no paths are
// in it too.
type Requests struct{ count }

// AttachRetries begins to count requests that are sent again down the same path.
func AttachRetries() (*Requests, error) {
	return attachRequests("retries", retryFunction, ebpf.AttachTraceFEntry, func(_ *btf.Spec, l layout, counts int) (asm.Instructions, error) {
		return requestInstructions(l, counts), nil
	})
}

// AttachErrors begins to count requests that end with an error.
func AttachErrors() (*Requests, error) {
	return attachRequests("errors", errorEvent, ebpf.AttachTraceRawTp, func(kernel *btf.Spec, l layout, counts int) (asm.Instructions, error) {
		callback, err := offsetOf(kernel, "request", "end_io")
		return errorInstructions(l, callback, counts), err
	})
}

// attachRequests attaches the program that write writes. There is no kprobe for
// it: failovers are what must be known on every kernel.
func attachRequests(
	what, to string, at ebpf.AttachType, write func(kernel *btf.Spec, l layout, counts int) (asm.Instructions, error),
) (*Requests, error) {
	r := &Requests{}
	err := func() error {
		kernel, err := btf.LoadKernelSpec()
		if err != nil {
			return fmt.Errorf("the kernel's BTF: %w", err)
		}
		l, err := layoutOf(kernel, Fentry, "")
		if err != nil {
			return err
		}
		if err := r.makeMap("braid_" + what); err != nil {
			return err
		}
		program, err := write(kernel, l, r.counts.FD())
		if err != nil {
			return err
		}
		return r.trace(to, at, program)
	}()
	if err != nil {
		_ = r.Close() // the error is that of attaching
		return nil, fmt.Errorf("%w: %s: %w", ErrUnsupported, what, explain(to, err))
	}
	return r, nil
}

// requestInstructions is the program for retries: one is added to what the
// request's disk has in the map with the descriptor counts. What has no disk is
// an admin command.
func requestInstructions(l layout, counts int) asm.Instructions {
	p := append(follow(Fentry, l), asm.JEq.Imm(asm.R6, 0, "end"))
	return append(append(p, add(counts)...), end()...)
}

// errorInstructions is the same for errors. A write that the kernel has split
// into a flush and the data ends twice: first as the data, of which block/blk-flush.c
// wants to be told (end_io), which does not count, and then as a whole.
func errorInstructions(l layout, callback int16, counts int) asm.Instructions {
	return append(asm.Instructions{
		asm.LoadMem(asm.R6, asm.R1, 0, asm.DWord),
		asm.LoadMem(asm.R2, asm.R6, callback, asm.DWord),
		asm.JNE.Imm(asm.R2, 0, "end"),
	}, requestInstructions(l, counts)...)
}
