// Package controller attaches volumes to nodes and detaches them, as far as
// the cluster is concerned: it does what a CSI driver with a controller service
// leaves to the external-attacher, of which Braid needs neither.
//
// Nothing has to be done in the storage to attach an NVMe namespace to a node;
// the node connects to it when it stages the volume. What attaching is for is
// that Kubernetes lets one node at a time use a volume that only one may write
// to. It relies on one thing: that a VolumeAttachment stays until its node has
// let go of the volume. So the controller marks volumes attached almost at
// once, and takes care when they are detached:
//
//	created by the attach/detach controller
//	   |
//	   v
//	+------+  the PersistentVolume is no volume of ours,   +---------+
//	| new  |--or its namespace is attached to another node | refused |
//	+------+---------------------------------------------->+---------+
//	   |  finalizer, then attached=true                         | the volume changes,
//	   v                                                        | or the other node lets go
//	+----------+<-----------------------------------------------+
//	| attached |  attachmentMetadata: volume and claim, for the node
//	+----------+
//	   |  deleted
//	   v
//	+-----------+  the node has a path set for the volume  +---------+
//	| detaching |----------------------------------------->| waiting | detachError, event
//	+-----------+                                          +---------+
//	   |  unstaged: no path set                                 | unstaged; node out of
//	   v                                                        | service; node gone; or
//	+----------+<-----------------------------------------------+ -release-timeout is over
//	| released |  attached=false, then the finalizer goes, and the object with it
//	+----------+
//
// A node's agent makes a path set (NVMePathSet) before the volume is mounted,
// and removes it after the volume has been unstaged. It is therefore known
// without asking the node, which may be dead, whether the volume may be mounted
// there. Which path set belongs to which attachment is told by the
// attachment's name, a hash of volume handle, driver and node, so that it is
// known after the PersistentVolume is gone. A node without an agent reports
// nothing, and so nothing is waited for there.
//
// 2026-11-22: what is decided upon, and from what.
//
// Before an attachment is released, path sets and node are read from the API
// server, not from the cache: a cache that lags would release a mounted volume.
// If they cannot be read, nothing is released.
//
// A node that is out of service, by the taint of that name, or that was deleted
// is taken to be off: whoever says so must have made sure of it. The timeout
// makes sure of nothing. A node that is only cut off from the API server goes
// on writing, and a second one starts: two writers, and a lost file system.
// It is off by default.
//
// Kubernetes knows volumes by their handles. Two PersistentVolumes that name
// one namespace are two volumes to it, and nobody would stop them from being
// mounted on two nodes. The controller does. For that it must not miss an
// attachment that it has itself made a moment ago: there is one worker, and its
// reads wait for the cache to have seen its writes.
//
// An error is told in status.detachError only after some patience. The
// attach/detach controller backs off from it, for up to two minutes; and most
// volumes are unstaged by then anyway.
//
// 2026-11-22: the controller also compares what nodes present to targets. Two
// with one host NQN pass for one host, and neither can see the other
// (hostnqn.go). It says so in a condition of their path sets that is its own: it
// has its own field manager, an admission policy keeps agents from writing it,
// and the rest of a path set stays the agent's. What the condition means for a
// node's health, the agent says. A node is known by its path sets: one that has
// none presents nothing, and one that is off presents what its path sets say,
// until they go with it.
//
// 2026-11-23: it sums up for an NVMePathMaintenance what path sets say, and
// commands nobody: nodes watch the object by themselves. Only what a node has said
// counts (survey.go). A path that is down by chance is not drained, for its node
// may never have heard of the maintenance. Once every path is back the record is
// complete and stays so, whatever becomes of them later.
package controller
