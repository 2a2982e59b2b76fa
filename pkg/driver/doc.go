// Package driver is the CSI edge of Braid: the only package that knows CSI
// types and gRPC codes (Container Storage Interface 1.13; Identity and Node
// service, node only).
//
// A call is first parsed as a whole into a typed request; everything wrong
// with it is found, and named by field, before anything is touched. Then it
// takes the volume's lock (another call for the volume: ABORTED) and commands
// two things below it: the paths of the volume, by which its block device
// appears, and the device's file system or node at a path. What is staged or
// published where is asked from the kernel's mount table, never from a record,
// so that a restart forgets nothing.
//
// Volume health is answered from memory: kubelet asks for one volume after
// another, and one hanging answer would stall the health of every driver on
// the node.
// Where a flag says so, kubelets up to 1.36 find it too, where CSI had it before
// 1.13 (legacy.go).
//
// Handlers return plain errors; one interceptor turns them into gRPC codes
// (errors.go).
//
// # Design note, 2026-11-22: devices that hang
//
// A device without a path answers nothing and fails nothing, for as long as its
// options say. So each call has an end of its own, a little before the one that
// its caller sets (intercept.go): the answer names what is not done yet, and
// reaches somebody. What hangs is left behind, goes on when a path is back, and
// is joined or refused by the calls that come meanwhile, never repeated beside
// it. Calls that need no device read memory and the mount table, and answer as
// ever.
package driver
