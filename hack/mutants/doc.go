// Package mutants shows that scenarios can fail: a braid-node that does something
// wrong on purpose must turn the scenario red that is there for it, and for the
// right reason.
//
//	source --- one change ---> braid-node ---> scenario ---> red?
//
// `make mutants` runs it; it takes about four minutes for each.
//
// # Design note, 2026-11-23
//
// The change is laid over the source as it is compiled (go build -overlay): no
// working tree is touched, no variant of the code is kept. A change whose place
// is not found any more fails, so it cannot go unnoticed when the code moves on.
package mutants
