// Package nvme is the vocabulary of NVMe over Fabrics that the rest of Braid
// speaks: names, identities, addresses, states and counters.
//
// It is pure: it reads no files, opens no sockets and keeps no state. Values
// that come from outside (a PersistentVolume, sysfs, a target) enter through a
// Parse function, which refuses what the kernel's comma-separated fabrics
// options could not carry (NVM Express Base Specification 2.1; Linux
// drivers/nvme/host/fabrics.c).
package nvme
