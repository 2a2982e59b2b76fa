package sockdiag

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Socket is one end of a TCP connection, as it was when the kernel was asked.
type Socket struct {
	Local, Remote netip.AddrPort
	// Unacknowledged is how many segments were sent and not acknowledged.
	Unacknowledged int
	// Retransmits is how often the oldest of them was sent again, and Backoff how
	// often the time until the next attempt was doubled.
	Retransmits, Backoff int
	// Retransmitted is how many segments were sent again since the connection is
	// there.
	Retransmitted uint64
	// RTT is the smoothed round-trip time.
	RTT time.Duration
	// SinceAck is the time since anything was acknowledged last.
	SinceAck time.Duration

	id [sizeofID]byte // with the cookie, which no other socket of this boot has
}

// Sizes of Linux include/uapi/linux/inet_diag.h, and where its structures have
// what is wanted.
const (
	sizeofID      = 48 // struct inet_diag_sockid
	sizeofRequest = 8 + sizeofID
	sizeofMessage = 4 + sizeofID + 20 // struct inet_diag_msg
	remotePort    = 2                 // within the ID; the ports are in network order
	localAddr     = 4
	remoteAddr    = 20
	infoAttribute = 2 // INET_DIAG_INFO, a struct tcp_info
)

// connected are the states of a connection that can carry anything, as bits:
// established, one half closed.
const connected = 1<<1 | 1<<4 | 1<<5 | 1<<8

// request asks for the connected sockets of a family, restricted by an ID.
func request(family uint8, states uint32, id [sizeofID]byte) []byte {
	b := make([]byte, sizeofRequest)
	b[0], b[1], b[2] = family, unix.IPPROTO_TCP, 1<<(infoAttribute-1)
	binary.NativeEndian.PutUint32(b[4:], states)
	copy(b[8:], id[:])
	return b
}

// parse reads one answer.
func parse(b []byte) (Socket, error) {
	if len(b) < sizeofMessage {
		return Socket{}, fmt.Errorf("sock_diag: an answer of %d bytes", len(b))
	}
	var s Socket
	copy(s.id[:], b[4:])
	length := 4
	if b[0] == unix.AF_INET6 {
		length = 16
	}
	addr := func(at int) netip.Addr { a, _ := netip.AddrFromSlice(s.id[at : at+length]); return a }
	s.Local = netip.AddrPortFrom(addr(localAddr), binary.BigEndian.Uint16(s.id[:]))
	s.Remote = netip.AddrPortFrom(addr(remoteAddr), binary.BigEndian.Uint16(s.id[remotePort:]))
	attributes, err := netlink.UnmarshalAttributes(b[sizeofMessage:])
	if err != nil {
		return Socket{}, fmt.Errorf("sock_diag: %w", err)
	}
	for _, a := range attributes {
		if a.Type == infoAttribute {
			return s, s.info(a.Data)
		}
	}
	return Socket{}, fmt.Errorf("sock_diag: %s says nothing of its state", s.Remote)
}

// info reads what all kernels since 3.x have of struct tcp_info.
func (s *Socket) info(b []byte) error {
	var i unix.TCPInfo
	if len(b) < int(unsafe.Offsetof(i.Pacing_rate)) {
		return fmt.Errorf("sock_diag: a tcp_info of %d bytes", len(b))
	}
	field := func(offset uintptr) uint32 { return binary.NativeEndian.Uint32(b[offset:]) }
	s.Retransmits = int(b[unsafe.Offsetof(i.Retransmits)])
	s.Backoff = int(b[unsafe.Offsetof(i.Backoff)])
	s.Unacknowledged = int(field(unsafe.Offsetof(i.Unacked)))
	s.Retransmitted = uint64(field(unsafe.Offsetof(i.Total_retrans)))
	s.RTT = time.Duration(field(unsafe.Offsetof(i.Rtt))) * time.Microsecond
	s.SinceAck = time.Duration(field(unsafe.Offsetof(i.Last_ack_recv))) * time.Millisecond
	return nil
}
