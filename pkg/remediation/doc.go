// Package remediation decides what is done about a bad path, and what is not.
//
// It is pure: what a node sees, a policy, what was tried and the time go in, one
// step or the reason for none comes out. Three questions are asked of it.
// Next asks what a node should do by itself about a path set. Permit asks
// whether a step may be done now, whoever wants it, and is asked again with what
// the kernel says immediately before the step. Next never answers with a step
// that Permit refuses. Verify tells afterwards whether the fault is over.
//
// # The life of a fault (2026-11-23)
//
// There is no state but the ledger's events and the attempts on record, so that
// an agent that is started anew goes on where it was. What Next makes of them:
//
//	        too many episodes, silent,                 a step fits and is
//	        or without its namespace                   permitted
//	(fine) --------------------------> (faulty) ----------------------> (trying)
//	  ^  AlreadyFine                     |  ^  NoStepFits,                 | InProgress
//	  |                                  |  |  BackOff,                    |
//	  |                        it is     |  |  AttemptsExhausted           | ended
//	  |                        over      |  |                              v
//	  |                                  |  +------ something happens -- (waiting)
//	  |                                  |          again: the next step   | BackOff, Stabilizing
//	  |                                  v                                 |
//	  +----- ResetCounters ----- (stabilizing) <---------------------------+
//	         all paths usable      | Stabilizing        nothing happens
//	         and quiet for long    +--> faulty, if something happens
//	         enough
//
// A path that was quiet for the stabilisation time since a step counts as fine,
// though what happened before the step is in the policy's window still.
//
// # What is never done
//
//   - anything to the last usable path of a namespace, whosever it is: before a
//     step, every namespace on the controller must have a usable path through
//     another one. Taking down a controller that is the only one of a namespace
//     would take the block device away, so it does not matter whether the path
//     itself can be used.
//   - anything to a controller that Braid did not connect, or to a path with
//     nothing wrong.
//   - a step while another one is on its way in the same subsystem, or one whose
//     end nobody knows.
//   - a second step for the same requests in flight. If they hang again on the
//     next path it is the backend that is slow, and resetting controllers in
//     turns would turn that into an outage.
//   - a reset of a controller whose connections do not answer: the write alone
//     blocks for a minute. An end to connections without evidence that they are
//     dead and that another path still completes I/O. Taking down a controller
//     that is not connecting, or that has anything in flight.
//   - a reset of counters before all is quiet, or of counters that have seen
//     nothing since the last one.
//
// What is not known counts as reason for doing nothing.
//
// # What the steps are for
//
// A path that is down because its controller is connecting is the kernel's to
// mend. A path that ANA makes inaccessible is as the target wants it. For both
// no step fits, but Reconnect for a controller that has been connecting for
// long: its address may have moved, or the kernel's options be outdated.
//
// A path that is connected by a detour, over the way out of the host that another
// path takes, goes back when its controller is reset, but only if its own way is
// there again. That is not known here: whoever sees to it may ask for the reset,
// and no policy does.
package remediation
