// Package ledger is the durable record of what happened on each path.
//
// The kernel counts failovers per path, but its counters die with the path,
// with the namespace and with the boot, and anybody may set them. The ledger
// reads them at intervals and keeps what does not die: lifetime totals, counts
// since the last reset, the beginnings of episodes, and who reset what, when
// and why.
//
// # The promise
//
// A lifetime total is a monotonic lower bound: it never goes down, over
// restarts, reboots, reconnects and foreign resets, and it never exceeds what
// the kernel counted. What can be lost is at most what happened between the
// last sample and a removal, a reset or a change of source, and what a counter
// regained unseen after a reset, when it had passed its old value again before
// anybody looked. A record says when its numbers began (CountedSince) and
// whether nothing is missing in them (Exact). What Records returned before a
// crash may have been ahead of the disk only if Observe had returned an error.
//
// One thing breaks the bound: somebody writes a higher number into a counter.
// That cannot be told from counting. Totals then saturate, they do not wrap.
//
// # Arithmetic
//
//	first sample        since-reset = lifetime = raw; what the kernel counted
//	                    before Braid looked counts, but is no event
//	same epoch, raw up  the difference counts
//	same epoch, down    somebody reset the counter to 0: all of raw counts;
//	                    inexact from here
//	new epoch           a new life from 0: all of raw counts; inexact
//	former epoch        it goes on from where it was left; inexact
//	new source          nothing counts this once, since the new source may have
//	                    seen what the old one reported already; inexact
//
// A sample may bring a witness: a second account of the same events, that of
// Braid's BPF program beside the kernel's attribute. Then the total is the better
// of the two, counted from when the witness was first heard: it sees through
// foreign resets, and through what happens while a path is removed, of which the
// engine brings it its last words. The first account tells what was before the
// witness came, and while it was away (witness.go).
//
// Linux's reconnect_count may read up to twice its value while a reconnect
// ends. A fall to no less than half is therefore such a slip and counts
// nothing, until the counter passes its old value.
//
// # Resets
//
// A reset zeroes several files of the kernel one after another, and Braid can
// die between any two. So the intent is on disk before the first write:
//
//	           BeginReset              CompleteReset
//	counting -------------> pending ------------------> counting, reset recorded
//	   ^                       |
//	   |                       |  AbandonReset, or Braid died,
//	   |                       |  or no word for ResetTimeout
//	   |                       v
//	   |  nothing fell     orphaned     a counter fell
//	   +------------------ at the next ---------------> counting, reset recorded
//	                         sample                     as Recovered
//
// While a reset is pending, counters in samples are ignored, as a reading
// cannot be placed before or after the kernel was written; the first one after
// it brings all that was counted. So the raw values in the book are the ones
// the intent was made with. Down still counts as an event.
//
// The orphan is decided per record: one of which a counter fell within its
// epoch was zeroed, and is taken as reset, all its counters at once; the others
// go on counting and are not in the reset's Before. A new epoch or source
// proves nothing, and neither does a counter that was 0 or that has passed its
// old value since: such a record counts as not reset. That loses nothing; the
// count since the last reset is merely older than wanted, and whoever asked
// finds no reset of that ID and asks again.
//
// Counts of BPF are nobody's to write: there the new baseline is all there is to
// a reset, and one that was interrupted has not happened.
//
// Counters of a controller belong to every volume of its subsystem and are
// never written. A volume's reset notes where they stood, and
// ControllerRecords subtracts.
//
// # On disk
//
// One JSON file, a book, per volume and one per subsystem for its controllers.
// What must survive is written when it changes; LastSample alone is written at
// most once an hour, so that an idle node does not write. A book that cannot be
// read is set aside under another name and counting starts anew, for a plugin
// that cannot start helps nobody. A book of a newer version is left alone, and
// everything about it refused, until a Braid that knows it is back. One process
// at a time may use the directory; the caller sees to that.
//
// # Design note, 2026-11-22
//
// All arithmetic is in pure functions on values (merge.go, episode.go,
// reset.go, baseline.go); the Ledger only locks and stores. Considered and left
// out: a log of deltas instead of whole books (a book is a few kilobytes, and
// is written a few times in an incident), one file for all (a corrupt one would
// take every volume's record along), a checksum (rename makes a torn file
// impossible; a flipped bit is the disk's business), and copies of raw values
// in the intent (the book stands still, so it has them).
package ledger
