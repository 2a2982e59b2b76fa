// Package stall tells a dead path from a slow backend, by what observations of a
// node say one after the other. It is pure: it reads nothing and does nothing.
//
// Requests that do not come back prove nothing: a target that takes 4 s for each
// looks the same on every path, and who resets controllers for that, in turns,
// makes an outage of it. What does prove something:
//
//	the network      a connection has sent the same data again and again, and
//	                 nothing was acknowledged (a target that is slow, or stopped,
//	                 still acknowledges what it gets)
//	the other paths  the same namespace completes requests through another
//	                 controller, after this began
//
// # Design note, 2026-11-23: the same requests
//
// Requests that hang on a second path after they were moved away from a first
// one are no reason to move them again. The kernel gives requests no names, so
// they are called a set, after the moment at which it was seen to hang, and the
// set goes on for as long as any of its requests may be in flight on any path
// of the subsystem:
//
//	           a silent connection, with
//	           requests in flight
//	(nothing) --------------------------> (a set hangs)
//	    ^                                      |
//	    |   nothing in flight for a while, or  |
//	    +--- every path live, and none silent, +
//	         for longer than the kernel waits
//	         for a request
//
// The last is sure because a request that is not answered in that time makes the
// kernel give its controller up. A process that is started anew knows of no set.
//
// # What is not proved
//
// A connection that has nothing to send is never silent: where the requests had
// arrived and the answers are lost, this end waits for data, as it would for a
// slow backend. And a namespace whose other paths are idle completes nothing
// through them, as where every request that its users wait for was sent into the
// hole. Whoever wants to know has to ask: multipath.Layer.Prove has something sent
// by the connections, and a block be read. Where that cannot be done, or the
// kernel reads by the dead path too (a single optimized path, the policy numa),
// the stall lasts until the kernel's keep-alive or I/O timeout ends it. So it does,
// until something is next sent, where a path has several I/O queues of which one is
// dead: it is not seen to hang, for the others complete requests.
package stall
