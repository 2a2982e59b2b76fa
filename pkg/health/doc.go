// Package health says what is wrong with a volume, from its path set alone.
//
// Assess is pure: a path set, a policy, what is remembered and the time go in,
// findings and what to remember come out. Monitor keeps the memory for every
// volume of the node and is the only thing here with state. Guard makes any
// list of findings fit for Kubernetes, which refuses a whole pod status over
// one duplicate (kubernetes#142280).
//
// # How the number of usable paths is judged (2026-11-22)
//
// NoUsablePath, PathRedundancyLost and PathDown are rungs of one ladder. A
// deeper rung implies the ones above it, and only the deepest raised one is
// reported, so no two findings contradict each other.
//
//	           a path is down        one is left*          none is left
//	(nothing) ----------------> PathDown -------> PathRedundancyLost -------> NoUsablePath
//	                            Degraded          Degraded                    Inaccessible
//	    ^                        |    ^              |    ^                        |
//	    +-- all, for ClearAfter -+    +- ClearAfter -+    +--- one path, at once --+
//
//	right: as soon as it held for RaiseAfter, over any number of rungs
//	left:  Degraded rungs only after they did not hold for ClearAfter
//	*      or all that are left share a target port or a host interface, where
//	       the expected paths did not
//
// Three decisions stand behind it.
//
// Inaccessible is a claim about now. People and controllers move workloads
// away because of it, so it ends with the first assessment that finds it
// untrue. The volume does not turn healthy by that: the Degraded rungs held
// too and take their time. A volume of one path steps down to PathDown.
//
// A message tells the present, also while its finding waits to be cleared:
// "2 of 2 paths usable (recovering; clears after 30s of quiet)". What was
// wrong stays in the reason. Messages hold no numbers that grow.
//
// Unknown is its own answer: it raises nothing and clears nothing. Everything
// is unknown while the device is pending, and redundancy for ConnectGrace from
// then on while paths are still on their way up: staging returns with the
// first path and connects the others in the background. A set whose staging
// nobody saw, as after a restart, gets no such grace.
//
// A condition that already holds when a set is assessed for the first time is
// raised at once: nobody knows for how long it has held, and a restart of the
// plugin must not clear it. A clock that steps back starts the delays anew; it
// clears nothing early.
//
// What no node can see by itself it is told: that another one presents its host
// NQN, which the cluster's controller finds. That comes in beside what is
// assessed, so that every output has it, and knows no hysteresis.
//
// Whether a path is flapping or unstable is judged by the ledger's episodes,
// those of the path and those of its controller: never by counts, for one cut
// of a busy path is a hundred failovers and one episode.
package health
