// Package kubectl is the plugin by which people ask and tell Braid things:
//
//	kubectl braid status | describe PVC | paths PVC | top
//	kubectl braid reset PVC | remediate PVC
//	kubectl braid maintenance [list] | start ADDRESS | end NAME
//
//	NVMePathSet ──list──► worst first ──► page ──► terminal
//	terminal ──► NVMePathRemediation ──► the node acts ──► its record
//	terminal ──► NVMePathMaintenance ──► the nodes act ──► its status
//
// It sees what the API has, and writes nothing but these two, in the name by
// which the API server knows the one who asks.
//
// 2026-11-23: what is worst is read from the conditions' status, never from
// their reasons: an agent that is newer than the plugin may have others.
//
// 2026-11-23: text in the API comes from nodes and from targets. It reaches a
// terminal through page alone, which lets no control character pass.
package kubectl
