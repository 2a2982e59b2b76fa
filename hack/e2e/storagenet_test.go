package e2e

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/braid-csi/braid/hack/storagenet"
)

// TestStorageNetworkFaults checks the faults scenarios rely on, with plain TCP.
func TestStorageNetworkFaults(t *testing.T) {
	network, err := storagenet.New(2)
	must(t, err)
	cleanup(t, network.Close)
	port := echo(t, network)
	first, second := network.Paths[0], network.Paths[1]

	conns := map[string]net.Conn{}
	for name, addr := range map[string]netip.Addr{
		"path 1": first.Target, "path 2": second.Target, "path 1, IPv6": first.Target6,
	} {
		c, err := net.DialTimeout("tcp", netip.AddrPortFrom(addr, port).String(), 5*time.Second)
		must(t, err)
		cleanup(t, c.Close)
		if !answers(t, c, 5*time.Second) {
			t.Fatalf("%s: no answer", name)
		}
		conns[name] = c
	}

	must(t, first.Cut())
	for name, want := range map[string]bool{"path 1": false, "path 1, IPv6": false, "path 2": true} {
		if got := answers(t, conns[name], 500*time.Millisecond); got != want {
			t.Errorf("path 1 cut: %s answers: %t, want %t", name, got, want)
		}
	}
	must(t, first.Restore())
	for name, c := range conns {
		// What was sent into the cut arrives now, by TCP's own repetition.
		if !answers(t, c, 10*time.Second) {
			t.Errorf("path 1 restored: %s does not answer", name)
		}
	}

	must(t, network.BlackHole(first.Unused()))
	_, err = net.DialTimeout("tcp", netip.AddrPortFrom(first.Unused(), port).String(), 500*time.Millisecond)
	if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
		t.Errorf("connecting into a black hole: %v, want a timeout", err)
	}

	must(t, second.Degrade(100*time.Millisecond, 0))
	start := time.Now()
	if !answers(t, conns["path 2"], 10*time.Second) || time.Since(start) < 200*time.Millisecond {
		t.Errorf("path 2 delayed by 100 ms each way: answer after %s", time.Since(start))
	}
	must(t, second.Restore())
}

// TestStorageNetworkFlow cuts one of two connections over one path: the one that
// carries something, though the other one has carried more.
func TestStorageNetworkFlow(t *testing.T) {
	network, err := storagenet.New(1)
	must(t, err)
	cleanup(t, network.Close)
	path := network.Paths[0]
	to := netip.AddrPortFrom(path.Target, echo(t, network))
	var conns [2]net.Conn
	for i := range conns {
		conns[i], err = net.DialTimeout("tcp", to.String(), 5*time.Second)
		must(t, err)
		cleanup(t, conns[i].Close)
		for range 1 + 4*i {
			if !answers(t, conns[i], 5*time.Second) {
				t.Fatalf("connection %d: no answer", i+1)
			}
		}
	}

	port, err := storagenet.BusiestFlow(to, func() error {
		if !answers(t, conns[0], 5*time.Second) {
			return errors.New("no answer")
		}
		return nil
	})
	must(t, err)
	if want := netip.MustParseAddrPort(conns[0].LocalAddr().String()).Port(); port != want {
		t.Fatalf("the busiest connection is from port %d, want %d", port, want)
	}
	must(t, path.CutFlow(port))
	for i, want := range []bool{false, true} {
		if got := answers(t, conns[i], 500*time.Millisecond); got != want {
			t.Errorf("connection 1 cut: connection %d answers: %t, want %t", i+1, got, want)
		}
	}
	must(t, path.Restore())
	for i, c := range conns {
		if !answers(t, c, 10*time.Second) {
			t.Errorf("path restored: connection %d does not answer", i+1)
		}
	}
}

// echo serves on every address of the target's end and returns the port.
func echo(t *testing.T, network *storagenet.Network) uint16 {
	var listener net.Listener
	must(t, network.Do(func() (err error) {
		listener, err = net.Listen("tcp", ":0")
		return err
	}))
	cleanup(t, listener.Close)
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c) }() // until the other end has enough
		}
	}()
	return uint16(listener.Addr().(*net.TCPAddr).Port)
}

// answers sends a byte and reports whether one comes back. A cut path must be
// silent, so any failure but silence is one of the test's.
func answers(t *testing.T, c net.Conn, patience time.Duration) bool {
	t.Helper()
	must(t, c.SetDeadline(time.Now().Add(patience)))
	_, err := c.Write([]byte{1})
	must(t, err)
	_, err = c.Read(make([]byte, 1))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	must(t, err)
	return true
}
