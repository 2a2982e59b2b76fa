// Package bpf counts the requests that fail over from each path, those that are
// sent again and those that end with an error, and the resets of controllers, on
// kernels that do not, and beside those that do (Linux 7.2).
//
// The kernel redirects a request in one place, nvme_failover_req. A program of
// a few dozen instructions, attached there, finds out which path the request
// was on and adds one to that path's count:
//
//	request -> q (request_queue) -> disk (gendisk) -> diskseq
//	                                                     |
//	                            counts[diskseq] += 1 <---+   (a hash map)
//
// A path's disk has a diskseq that no other disk of the boot has (Linux 5.15),
// so a count belongs to one life of the path, and outlives it: what failed over
// while the path was being removed is still there to be read afterwards.
// Nobody but this package writes the counts.
//
// Resets of controllers are counted likewise, at the end of the function that
// moves a controller to another state, by the inode number of its directory in
// sysfs:
//
//	nvme_ctrl -> device -> kobj.sd (kernfs_node) -> id
//
// Retries and errors are counted as failovers are, by the diskseq:
//
//	retries   fentry on blk_mq_requeue_request, the only way there is for NVMe to
//	          send a request again
//	errors    tracepoint block_rq_error (Linux 5.18), where a request ends with
//	          an error that is not kept quiet
//
// All hooks are where something has gone wrong already. None runs for a request
// that succeeds, so counting costs such a request nothing.
//
// # Where it works
//
// The offsets of the three members come from the running kernel's own type
// information (BTF, /sys/kernel/btf/vmlinux), so there is nothing to compile
// and no header to match. By fentry the kernel's verifier checks each step
// against the same types and refuses a program that is wrong. Where fentry is
// not possible (arm64 before Linux 6.4; a module without BTF) a kprobe does,
// which reads the same members by address. Both count alike.
//
// It takes CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN where nvme_core is a
// module, and a kernel that is not locked down against it. What is missing is
// named in the error, which wraps ErrUnsupported.
//
// # What may be missed
//
// A program is not entered again on a processor that is in it already, and a
// map can be full. Neither should happen here; both are counted (Missed), and
// while one of them is not zero the counts are lower bounds.
//
// # How long it counts
//
// From when it is attached until Close or the end of the process. Nothing is
// pinned, and what happened before or in between is in no count: ID tells one
// count from the next, so that nobody takes two of them for one. By fentry a
// program holds the module that it is attached to, so nvme_core cannot be
// unloaded before Close, and can be after it. A kprobe holds nothing: when the
// module goes it counts no more, and who uses it must attach anew.
//
// # Design note, 2026-11-22
//
// The instructions are written down in Go rather than compiled from C: they are
// few, they need no toolchain in the build, and a table test shows them. They
// are under "Dual BSD/GPL", for the kernel lets no other program read its
// structures. Considered and left out: per-CPU counts (failovers are rare, and
// an atomic add is exact), an LRU map (it forgets without telling), and the
// tracepoint nvme_complete_rq (the kernel decides after it whether a request
// fails over, so that would have to be decided a second time, version by
// version).
//
// # Design note, 2026-11-23: retries and errors
//
// Considered for errors: nvme_complete_rq and nvme_end_req. Both run for every
// request, which costs, and a completion that interrupts another one on its
// processor would be missed; with the first the kernel's decision would have to
// be repeated, and the second is inlined at the compiler's will. The tracepoint
// differs from the kernel's own count of Linux 7.2 in three things: flushes that
// shared one command that failed count each; requests on a disk that is being
// removed, and passthrough commands that were not told to be quiet, do not.
//
// # Design note, 2026-11-23: no pins
//
// A pinned program would go on counting while its process is replaced. But it
// would also keep nvme_core from being unloaded after Braid is gone, outlive
// a change of the program, and count for nobody if Braid does not come back. The
// gap is told instead: a new count has a new ID, so a new epoch in the ledger,
// and where no attribute bridges it the record says that it is not exact.
package bpf
