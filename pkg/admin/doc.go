// Package admin lets root ask a running braid-node what it knows, reset a
// volume's counters and drain paths, over HTTP with JSON on a unix socket.
//
// Nobody else can: the socket is root's, and the server asks the kernel who
// called. That answer, not what the caller says of itself, goes on record
// with a reset (unix(7), SO_PEERCRED).
//
//	GET  /v1/paths             the report of all volumes
//	POST /v1/resets            reset the counters of one volume
//	GET  /v1/resets?volume=ID  the resets on record
//	GET  /v1/maintenance       the addresses under maintenance
//	POST /v1/maintenance       drain the paths to an address
//	POST /v1/maintenance/end   bring them back, and wait for them
package admin
