// Package host is an NVMe/TCP host in user space: controllers with their
// queues. A Controller is one association with one address of a subsystem, which
// it loses and makes again. It knows no other paths and no block devices: what
// becomes of a command that a controller has not answered is for the layer above
// to decide, and all that is needed for it is in the Request.
//
//	Controller ── association (lost and made again)
//	                 ├── admin queue: keep alive, events, aborts, logs
//	                 └── I/O queues, each a TCP connection
//
// The states are those of Linux (drivers/nvme/host/core.c,
// nvme_change_ctrl_state):
//
//	new
//	 |
//	 | Connect            connected, BeforeLive agrees
//	 v               +-----------------------------------+
//	connecting ------+                                   v
//	 |  ^                                               live
//	 |  |    all commands are back                       |  |
//	 |  +----------------------------- resetting <-------+  |
//	 |                                 Reset, no keep       |
//	 | not in time (ctrl_loss_tmo),    alive, a timeout,    | Close
//	 | refused for good (DNR), Close   a connection ended   |
//	 v                                                      |
//	deleting <----------------------------------------------+
//	 |
//	 | all commands are back
//	 v
//	dead
//
// Sources: NVM Express Base Specification 2.1, TCP Transport Specification 1.1,
// TP4129; drivers/nvme/host/tcp.c, fabrics.c and core.c of Linux 7.3.
//
// # Design note, 2026-11-22: who sends
//
// A queue has one lock and no list of things to do beside its requests. Whoever
// submits while nobody sends, sends: to the socket, without waiting. What others
// submit meanwhile goes with the next write. While the receiver hands out
// completions nothing is sent, and what is submitted then leaves in one write
// when it needs the network again. Only when the socket is full a goroutine has
// to wait for it. So at depth 32 an I/O of 4 KiB costs a tenth of a system call,
// and nothing is allocated. Data of writes is copied into the send buffer, and
// small data of reads out of the receive buffer: that costs less than to ask the
// kernel for each part, and no buffer of a request is in use once it is back.
//
// # Design note, 2026-11-22: a command that was not answered
//
// It may take effect later, after it was repeated on another path and after
// later writes. InDoubtUntil says until when: the end of the association, and
// from there 3 x KATO with TBKAS or else 2 x KATO, and CQT (TP4129). Linux
// repeats such a command at once. Closing the socket drops what is in it
// (SO_LINGER 0), which makes the window smaller but does not end it. Disabling
// the controller would, says the specification; Linux' target says so before
// its back end is through, hence Config.DisableStopsIO.
//
// # Design note, 2026-11-22: where we differ from Linux
//
// The first attempts to reconnect come after 0.1, 0.2, 0.4 s and so on instead of
// the whole reconnect delay. An I/O timeout aborts first, as on PCIe, and resets
// only at the second: a slow back end is no dead path. Keep Alive is sent even if
// there is I/O: else an admin queue that is dead alone stays unnoticed. Closing
// and resetting wait for a bounded time only.
//
// # Design note, 2026-11-22: what a controller can cost
//
// Everything that it says is checked before it is used: lengths, CIDs with their
// generation, offsets in order, R2Ts one at a time, success only when all data
// has gone over. What it breaks is its own association. What it costs is bounded
// before it says anything: two buffers and a slot for each entry of a queue, and
// limits for everything that is listed.
package host
