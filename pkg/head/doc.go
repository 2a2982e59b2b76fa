// Package head is a multipath layer for NVMe over Fabrics in user space: heads,
// each one namespace over several paths, as drivers/nvme/host/multipath.c is in
// Linux. It does not care who reads and writes, and leaves connections to
// pkg/host.
//
//	Subsystem ──── Controller (its life, ANA log, namespaces) ──── host.Controller
//	    │               └──── Path (rank, counters) ──┐
//	    └────────────────────────────────────── Head ─┘
//	                                             └── ranges in doubt
//
// The life of a request:
//
//	Submit
//	  │
//	  ├── refused: it does not fit the namespace ──────────────────────> Done
//	  v
//	ready ── its range is in doubt ──> held ── the window ends ──> ready
//	  │
//	  ├── no usable path, one may come back ──> parked ── kick ──> ready
//	  │                 (counts a requeue)         └─ timeout ─┐
//	  ├── no path may come back ───────────────────────────────┴> failure, Done
//	  v
//	on a path
//	  │
//	  ├── success ───────────────────────────────────────────────────> Done
//	  │     └── but its range is in doubt by now ──> ready
//	  ├── DNR, or retried five times: an error of the path ──────────> Done
//	  ├── path error: a failover of the path ──> ready
//	  └── other error: a retry of the path ──> delayed (CRD) ──> ready
//
// A path is used when its controller is live, its ANA state is optimized or
// non-optimized, and what is known of it was read in this association. After an
// ANA error it is pending: not used until the log has been read again. A group
// that is in transition for more than 2 x ANATT resets the controller.
//
// # Design note, 2026-11-22: writes that come late
//
// That a path was lost does not mean that its commands did not run. A write that
// was sent may wait in a switch, in the target's socket or in its back end, and
// take effect when its retry was answered long ago, and when the same block was
// written again: then newer data is lost, silently. Linux (7.3) cancels and
// retries at once, and can lose like that. TP4129 says how long it takes until
// the target has stopped for certain (2 or 3 x KATO + CQT); to wait that long
// with every retry would stall everything for many seconds.
//
// So we retry at once, and remember the range instead. Same bytes at the same
// place: however often the write takes effect, before or after its retry, reads
// see the same. Only what is later and overlaps must wait. The rule is
//
//	A write (write zeroes, discard) is sent, and is done, only while its
//	range overlaps none that another request has in doubt.
//
// Why that is enough:
//
//   - A write that is submitted after the lost one was done finds the range: it
//     was marked before the retry was sent, and stays until the window ends. A
//     request that is used again is no longer the owner of what it had in doubt.
//   - A write that was on its way when another to the same block was lost has
//     passed the first check. The second finds it out when it succeeds: it is
//     not done, and is written again after the window. So no write that is done
//     is ever replaced by an older one.
//   - A write that was done before another to the same block was lost is not
//     replaced by what comes late, for the lost one is written again after it.
//   - Two that overlap and are both lost each wait for the other's window.
//   - A retry that is lost too extends the window.
//
// While nothing is in doubt this costs one atomic load when a write is sent and
// one when it succeeds. The table is bounded: ranges coalesce when their
// requests are done, and when there are too many, the closest two become one
// with what is between, so that too much is held, never too little.
//
// What remains: a write that failed for good leaves its blocks undefined until
// its window ends, they may change once more. Other hosts know nothing of the
// table: on volumes that several write, HoldRetries makes the retry wait as
// well. And a target whose commands outlive KATO + CQT cannot be helped.
//
// # Design note, 2026-11-22: what is as in Linux, and what is not
//
// Which error means what, what counts as a failover (requests, not events), as a
// retry, an error, a requeue and a failure is as in Linux 7.2, so that numbers of
// both can be compared. Different are: after a failover the path that was left
// is taken again only if there is no other; a path waits for the namespaces to
// be identified again after a reconnect, not for the ANA log alone; and waiting
// for a path can have an end (NoPathTimeout).
package head
