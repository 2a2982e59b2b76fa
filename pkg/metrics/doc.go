// Package metrics shows the newest snapshot to Prometheus: one collector over
// one snapshot, which it only reads.
//
// What nothing on the node counts has no series: a missing failover count must
// not look like zero failovers. Totals are the ledger's lifetime totals, which
// survive reconnects, resets and reboots, so that rate() sees no resets that
// are none. Series of a volume end with its staging.
//
// # Joining
//
// A series names its volume by handle and nothing else, so that a claim that
// is bound anew does not break it in two. Whose volume it is stands once, in
// braid_volume_info, with the labels that kubelet and kube-state-metrics use:
// persistentvolume, namespace and persistentvolumeclaim. An info series is
// joined on instance and volume, since several nodes may have a volume:
//
//	sum by (namespace, persistentvolumeclaim, path) (
//	    rate(braid_path_failovers_total[5m])
//	  * on (instance, volume) group_left (namespace, persistentvolumeclaim)
//	    braid_volume_info
//	)
//
// Scrape with honorLabels: true, or Prometheus renames namespace, of which its
// own service discovery has another, to exported_namespace.
package metrics
