// Package target is an NVMe/TCP target for tests, demos and labs: subsystems
// with namespaces in memory or in files, several ports, ANA, a discovery
// controller, and faults on command. The Linux host connects to it.
//
// It is not storage for production: there is no authentication, no TLS and no
// replication, and whoever reaches a port can write.
//
//	Target ── subsystem ── namespace (memory or file, ANA group)
//	   │          └─────── controller (one host on one port)
//	   └───── port (address, state of each ANA group)
//	            └── conn (one TCP connection: a queue of a controller)
//
// The life of a connection:
//
//	 accepted --- ICReq --> negotiated --- Connect, queue 0 --> admin queue
//	    |                       |                                   |
//	    |                       +--- Connect, queue n --> I/O queue |
//	    |                       |                            |      |
//	    |                       |        controller ended,   |      | KATO passed,
//	    |                       |        CC.EN = 0           |      | port cut
//	    v                       v                            v      v
//	+------------------------------------------------------------------+
//	| ended: the host closed, broke the protocol (C2HTermReq), was too |
//	| slow to connect (10 s), or a fault says so                       |
//	+------------------------------------------------------------------+
//	   delayed commands are dropped, held writes begin to wait for their
//	   time, the controller ends with its admin queue
//
// # Design note, 2026-11-22: one goroutine, one buffer
//
// A connection's goroutine receives, executes and answers: no command changes
// hands, and the answers to everything that came in one read leave in one
// write. Reads go from the namespace straight into the send buffer, writes from
// the receive buffer, or from the socket into memory that an R2T was sent for,
// straight to the namespace. Nothing is allocated for an I/O. Commands that a
// fault postpones, and asynchronous events, are answered by other goroutines,
// under the connection's lock.
//
// # Design note, 2026-11-22: what a host can cost
//
// All that a host says is checked before it is used, and what it costs is
// bounded before it says anything: two buffers and a slot for each entry of its
// queue, memory for the data of writes that is given out by R2T alone, 1024
// connections on a port and 1024 controllers in a subsystem. Whoever breaks the
// protocol gets a TermReq and loses the connection. A host that does not read
// its answers makes its own connection wait, and nobody else's.
//
// # Design note, 2026-11-23: an association ends as one
//
// A host fails over as soon as the first of its connections closes. A write that
// another connection of it still had to execute would then take effect after the
// writes that follow on other paths: with the Linux host it even carried what
// the buffer held by then, for its pages were sent without a copy. So all
// connections lose the right to change anything before the first is closed.
// Only a fault that holds writes makes late ones.
package target
