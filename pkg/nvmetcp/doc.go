// Package nvmetcp is the wire format of NVMe over TCP, for both ends: PDUs with
// their digests, queue entries, and the structures that commands carry.
//
// It opens no sockets and keeps no state beyond a buffer. Whatever comes from
// the other end is untrusted: a Parse function takes bytes of any length and
// content and returns an error, never more memory than it was given bytes for.
// An Append function writes what Parse reads.
//
//	        host                                  target
//	         | ------------- ICReq ---------------> |   digests, alignment,
//	         | <------------ ICResp --------------- |   largest H2CData
//	         |                                      |
//	read     | ---------- CapsuleCmd -------------> |
//	         | <---- C2HData ... C2HData (last) --- |   SUCCESS in the last
//	         | <--------- CapsuleResp ------------- |   replaces CapsuleResp
//	         |                                      |
//	write,   | ---- CapsuleCmd with its data -----> |   up to IOCCSZ * 16
//	small    | <--------- CapsuleResp ------------- |
//	         |                                      |
//	write,   | ---------- CapsuleCmd -------------> |
//	large    | <------------- R2T ----------------- |
//	         | ---- H2CData ... H2CData (last) ---> |
//	         | <--------- CapsuleResp ------------- |
//	         |                                      |
//	error    | ---- H2CTermReq or C2HTermReq -----> |   then the connection
//	         |                                      |   is closed
//
// One PDU on the wire:
//
//	| common header, 8 | specific header | HDGST, 4 | padding | data | DDGST, 4 |
//	|<----------- HLEN -------------->|            |         |      |          |
//	|<------------------------ PDO ------------------------->|      |          |
//	|<------------------------------- PLEN ----------------------------------->|
//
// Sources: NVM Express TCP Transport Specification 1.1, section 3.6; NVM
// Express Base Specification 2.1; include/linux/nvme-tcp.h and nvme.h of Linux.
//
// # Design note, 2026-11-22: caller's memory
//
// The path of an I/O allocates nothing. Parse functions return small values or
// views of the bytes they were given; Append functions append to a slice that
// the caller has made large enough. Reader has one buffer of a fixed size, and
// copies data that does not fit into it straight to where the caller wants it.
// So both a goroutine per connection and a ring that is handed buffers by the
// kernel can stand on it.
//
// Structures that are read once per connection (identify data, logs, connect
// data) are plain structs instead, with the fields that Braid uses.
package nvmetcp
