// Package v1alpha1 is Braid's API: what its custom resources say and mean.
//
//	NVMePathSet          a report: how one node reaches one volume, written by
//	                     that node's agent alone
//	NVMePathRemediation  a request and its record: what somebody wants done
//	                     about a path set, who, why, and what came of it
//	NVMePathPolicy       when a path counts as bad, and what nodes may do about
//	                     it by themselves
//	NVMePathMaintenance  a request and its record: an address is worked on, and
//	                     no node shall use it meanwhile
//
// All are cluster-scoped: a path set belongs to a node, as the volume does.
//
// 2026-11-22: a record is worth what nobody can change of it. A request is
// immutable from the start and its record from its completionTime on, by rules
// of the definition; that requestedBy is true, and that agents write about
// their own node only, by the chart's admission policies.
//
// 2026-11-22: counts are in status for people who run kubectl. They are
// written when a state changes and now and then; dashboards and alerts use the
// metrics, which are always fresh.
//
// 2026-11-23: off is a policy too. A volume, a node or everything is taken out
// of automatic remediation by a suspension, with the reason in it, which no
// other policy overrules: whoever has to stop it need not find out first which
// policy it goes by. Defaults stand in the definition, so that a policy that was
// read back says all that holds.
//
// 2026-11-23: an NVMePathMaintenance is for every node, and no node writes it:
// each says in its own path sets how far it is, the cluster's controller sums
// up. So nodes do not contend for one object, and one that says nothing is not
// taken for drained.
//
// +kubebuilder:object:generate=true
// +kubebuilder:ac:generate=true
// +groupName=braid.dev
package v1alpha1
