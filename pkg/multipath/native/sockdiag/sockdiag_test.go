package sockdiag

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// pair connects two sockets over the loopback interface.
func pair(t *testing.T, listen string) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", listen)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if near, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = near.Close() })
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = far.Close() })
	return near, far
}

func address(t *testing.T, a net.Addr) netip.AddrPort {
	t.Helper()
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// to returns the one connection to an address. A kernel that cannot tell is no
// failure of the package: that is shown in a VM.
func to(t *testing.T, remote netip.AddrPort) Socket {
	t.Helper()
	sockets, err := To(ServiceOf(remote))
	if errors.Is(err, ErrUnsupported) || errors.Is(err, unix.EPROTONOSUPPORT) {
		t.Skip(err)
	}
	if err != nil || len(sockets) != 1 {
		t.Fatalf("connections to %s: %v, %v; want one", remote, sockets, err)
	}
	return sockets[0]
}

func TestTo(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:0", "[::1]:0"} {
		near, _ := pair(t, listen)
		other, _ := pair(t, listen)
		s := to(t, address(t, near.RemoteAddr()))
		if s.Local != address(t, near.LocalAddr()) || s.Remote != address(t, near.RemoteAddr()) {
			t.Errorf("%s: found %s to %s", near.LocalAddr(), s.Local, s.Remote)
		}
		if s.Backoff != 0 || s.Unacknowledged != 0 || s.RTT == 0 {
			t.Errorf("a connection that is fine: %+v", s)
		}
		if s := to(t, address(t, other.RemoteAddr())); s.Local != address(t, other.LocalAddr()) {
			t.Errorf("%s: found %s", other.LocalAddr(), s.Local)
		}
	}
}

func TestDestroy(t *testing.T) {
	near, far := pair(t, "127.0.0.1:0")
	s := to(t, address(t, near.RemoteAddr()))
	if err := Destroy(s); errors.Is(err, ErrUnsupported) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EINVAL) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]net.Conn{"near": near, "far": far} {
		if n, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%s end: read %d, %v; want an error", name, n, err)
		}
	}
	if err := Destroy(s); err != nil {
		t.Errorf("once more: %v", err)
	}
}

// FuzzParse: an answer of whatever length is read or refused.
func FuzzParse(f *testing.F) {
	message := make([]byte, sizeofMessage, 256)
	message[0] = unix.AF_INET6
	f.Add(message)
	info := binary.NativeEndian.AppendUint16(message, 4+104)
	info = binary.NativeEndian.AppendUint16(info, infoAttribute)
	f.Add(append(info, make([]byte, 104)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parse(b)
		if err == nil && !s.Remote.IsValid() {
			t.Errorf("%x: read as %+v", b, s)
		}
	})
}
