// Package sockdiag asks the kernel about TCP connections, its own among them,
// and ends one (sock_diag(7), Linux net/ipv4/inet_diag.c). It sees those of the
// network namespace that the process is in.
package sockdiag
