// Package multipath owns the paths of every staged volume: which should
// exist, which do, connecting what is missing, never disconnecting what
// another volume needs, and the record of what happened on each.
//
// Data flows one way. An engine observes the node, the layer merges what it
// saw with the ledger into an immutable Snapshot, and everybody else only
// reads snapshots. Commands (Ensure, Release, Rescan, Reset,
// ResetController, KickConnection, Reconnect) flow the other way, through the layer
// to the engine.
//
//	  Ensure  Release  Rescan  Reset             Snapshot
//	     |       |        |      |                  ^
//	+----v-------v--------v------v------------------+------+
//	| Layer:  volumes (store.go)  ->  look (look.go)       |
//	|         connector (connector.go)   merge (merge.go)  |
//	+----+------------------------------------^------------+
//	     | commands                           | Observation, ledger.Record
//	+----v------+                        +----+-----+
//	| engine    |                        | ledger   |
//	+-----------+                        +----------+
//
// # The life of an expected path
//
//	           dial or connect failed
//	         +----------------------------+
//	         v                            |
//	missing --- back-off is over --> connecting --- the kernel has it --> present
//	   ^                                                                     |
//	   +---------------- its controller is gone -----------------------------+
//
// A path whose controller exists, in whatever state, is the kernel's to bring
// back. Only one that has no controller is the layer's to connect.
//
// # Design note, 2026-11-22: locks
//
// Three, never taken the other way round:
//
//	subsystem lock   what connects or disconnects for good, one at a time per
//	                 subsystem; may be held for long, waiting for it ends with
//	                 the caller's context
//	look lock        one observation, with its ledger entries, at a time;
//	                 Reset holds it so that no sample falls between its steps
//	state lock       the maps and the records on disk; never held over anything
//	                 that waits for a device or a target
//
// No lock is held while a path is awaited or the kernel connects: attempts run
// in goroutines of their own. What comes up when nobody wants it any more, and
// whatever else a crash or a failure left behind, is taken down by tidy.
//
// # Design note, 2026-11-22: the record is a hint
//
// The volume's record on disk is written before anything is connected and
// removed after everything is disconnected, so a crash leaves a record rather
// than a leak. The kernel stays the truth: a record of another boot is dropped,
// and Release works from the device alone where there is no record.
//
// # Design note, 2026-11-23: addresses that move
//
// The kernel reconnects to the address it was given, for ever. Where a volume names
// discovery controllers they are asked about a path that stays lost, and what they
// list decides where it is expected (moved.go, which is pure): an address that no
// log lists any more is given up for one that is new there.
//
//	lost for 10 s --> logs read --> moved? --no--> asked again, ever less often
//	                                   |
//	                                  yes --> on record --> connected --> usable
//	                                                            |           |
//	                                      refused: its ID is the old one's  |
//	                                                            |           |
//	         the old controller, if connecting, is taken down <-+-----------+
//
// What the volume asks for stays beside it, or a repeated Ensure would find
// another volume. What is listed while nothing is lost, and was not asked for, was
// left out on purpose and is no place to move to. A target cannot make fewer paths
// be expected than the volume asks for: redundancy that is gone stays a finding.
package multipath
