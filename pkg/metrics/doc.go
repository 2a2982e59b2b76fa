// Package metrics shows the newest snapshot to Prometheus: one collector over
// one snapshot, which it only reads.
//
// What nothing on the node counts has no series: a missing failover count must
// not look like zero failovers. Totals are the ledger's lifetime totals, which
// survive reconnects, resets and reboots, so that rate() sees no resets that
// are none. Series of a volume end with its staging.
package metrics
