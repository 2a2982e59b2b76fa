// Package faultpoint marks the seams between side effects, so that a test can
// end braid-node between any two of them.
//
// Whoever is about to write a file, an attribute of the kernel or a mount, or
// to run a program that does, calls Before; requests that change something in the
// Kubernetes API go through a Transport. In braid-node as it is released Before is
// an empty function, which the compiler leaves out, and a Transport the one it was
// made of. Only a build with the tag "faultpoints" has something there:
//
//	braid-node, before a side effect          test
//	        |                                  |
//	        |------- "write /sys/..." -------->|
//	        |                                  | counts, and may kill
//	        |<------ end of connection --------| or take a picture of the disk
//	        v
//	  the side effect
//
// The test decides which step is the last, so it can go through all there are
// without knowing them: it ends braid-node before the first, before the second,
// and so on until a call survives.
//
// # Design note, 2026-11-22
//
// Considered and left out: a variable or a flag that turns fault points on in
// every build (whoever can set it can kill the plugin of a node), and counting
// in braid-node itself (children that write to the kernel have steps too, and
// what is to happen at a step is the test's business).
package faultpoint

// Socket is where a build with fault points asks. A node has no such file.
const Socket = "/run/braid/faultpoint.sock"
