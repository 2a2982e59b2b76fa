package host

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/braid-csi/braid/pkg/nvme"
	"github.com/braid-csi/braid/pkg/target"
)

// serveEnv makes the test binary a server of a benchmark, in a process of its
// own so that its share of the processors is its own too.
const serveEnv = "BRAID_BENCH_SERVE"

func TestMain(m *testing.M) {
	if what := os.Getenv(serveEnv); what != "" {
		if err := serveUntilEOF(what); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serveUntilEOF serves, says where, and ends with standard input.
func serveUntilEOF(what string) error {
	address := ""
	if what == "target" {
		cfg := targetConfig()
		cfg.Listen = func(a netip.AddrPort) (net.Listener, error) { return listenPlain(a.String()) }
		tg, err := target.Start(context.Background(), cfg)
		if err != nil {
			return err
		}
		defer func() { _ = tg.Close() }()
		a, err := tg.Address(1)
		if err != nil {
			return err
		}
		address = a.String()
	} else {
		l, err := listenPlain("127.0.0.1:0")
		if err != nil {
			return err
		}
		defer func() { _ = l.Close() }()
		go serveBare(l)
		address = l.Addr().String()
	}
	fmt.Println(address)
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// plainTCP has a socket of a benchmark use Reno, which does not pace: with BBR,
// which some distributions have by default, timers would be what is measured.
func plainTCP(_, _ string, socket syscall.RawConn) error {
	var set error
	err := socket.Control(func(fd uintptr) {
		set = syscall.SetsockoptString(int(fd), syscall.IPPROTO_TCP, syscall.TCP_CONGESTION, "reno")
	})
	return errors.Join(err, set)
}

func listenPlain(address string) (net.Listener, error) {
	return (&net.ListenConfig{Control: plainTCP}).Listen(context.Background(), "tcp", address)
}

func dialPlain(ctx context.Context, to nvme.TransportID) (net.Conn, error) {
	return (&net.Dialer{Control: plainTCP}).DialContext(ctx, "tcp", to.Address())
}

// startServer starts a process and returns the address that it serves.
func startServer(b *testing.B, what string) netip.AddrPort {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serveEnv+"="+what)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			b.Errorf("%s: %v", what, err)
		}
	})
	line, _, err := bufio.NewReader(out).ReadLine()
	if err != nil {
		b.Fatalf("%s: %v", what, err)
	}
	return netip.MustParseAddrPort(string(line))
}
