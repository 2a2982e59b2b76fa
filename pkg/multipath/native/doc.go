// Package native is the engine that leaves the I/O to the kernel: Linux's own
// NVMe multipathing moves it, and this package connects controllers, observes
// them and reads and zeroes the kernel's counters.
//
// It is the only package that touches /dev/nvme-fabrics and the NVMe parts of
// sysfs, and the kernel's sockets of controllers. What it knows of them was read in Linux 6.1, 6.12 and 7.2.
//
//	             +--------------------------- Engine --------------------------+
//	uevents ---> | Hints: look again                                           |
//	sysfs -----> | Observe: one scan, no locks, never waits for a device       |
//	sysfs <----- | SetIOPolicy, Tune, Rescan, ResetCounters: short writes      |
//	target <---- | Connect: dial -> child process writes /dev/nvme-fabrics     |
//	sysfs <----- | Disconnect, ResetController, SetIOTimeout: child processes   |
//	             |   write what the kernel may wait for                        |
//	sockets <--- | KickConnection: sock_diag ends a controller's connections   |
//	             +-------------------------------------------------------------+
//
// # Design note, 2026-11-22: children for writes that block
//
// A write to /dev/nvme-fabrics holds a global mutex of the kernel's until the
// controller is connected, and delete_controller waits for commands that a
// dead address never answers. Both waits are uninterruptible: the kernel ends
// them after 10 s to 2 min, a signal does not. So each such write is made by
// a process of its own (child.go): no thread of the plugin hangs in the kernel,
// and the plugin can end while a write cannot. The child signs what it
// connected, since its parent may be gone by then. Who calls Connect must not
// wait for it with a lock held.
//
// # Design note, 2026-11-22: epochs
//
// A counter lives as long as the kernel object it belongs to, and instance
// names are reused. Disks carry a diskseq, which is unique in one boot; for
// controllers the inode number of their sysfs directory serves, which kernfs
// does not reuse in one boot either. With the boot ID in front, both are
// unique for ever.
//
// # Design note, 2026-11-22: two counts of failovers
//
// Linux counts failovers from 7.2 on, in attributes that go with their path and
// that anybody may reset. A BPF program counts them on every kernel with BTF, and
// beside the attribute (failovers.go, package bpf), and others the retries and
// errors (requests.go). Their counts have an epoch of their own, so the ledger
// knows of each gap; the attribute, where there is one, bridges it. They begin
// with the first scan that finds nvme_core loaded, or when Prepare has loaded it:
// no path that Braid connects has a request before that.
//
// # Design note, 2026-11-22: who owns a controller
//
// Braid takes down only what it connected. That is written where other tools
// look for it too, /run/nvme/registry/CONTROLLER/owner (nvme-cli 3), with the
// epoch beside it: an entry left by an earlier controller of the same name
// says nothing about this one.
package native
