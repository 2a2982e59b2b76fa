package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/braid-csi/braid/hack/cluster/agent"
	"github.com/braid-csi/braid/hack/guest"
	"github.com/braid-csi/braid/hack/poll"
)

// Run is a node's life. Standard output gets what happens and containerd's log,
// standard error the kubelet's.
//
//	host name, network -> agent -> containerd -> kubelet, each again when it ends
func Run(ctx context.Context) error {
	if !guest.Inside() {
		return errors.New("not in a guest: braid-cluster starts nodes")
	}
	s, err := readSettings()
	if err != nil {
		return err
	}
	if err := prepare(s); err != nil {
		return err
	}
	say("%s has %s", s.Name, s.Address)
	if err := os.Setenv("PATH", "/usr/local/bin:/usr/sbin:/usr/bin"); err != nil {
		return err
	}
	l, err := net.Listen("tcp", ":"+strconv.Itoa(AgentPort))
	if err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	defer func() { _ = l.Close() }()
	failed := make(chan error, 1)
	go func() { failed <- agent.Serve(l) }()

	go keep(ctx, os.Stdout, "containerd", "--log-level=warn")
	if err := listening(ctx, Socket); err != nil {
		return err
	}
	say("containerd answers")
	ip, _, _ := strings.Cut(s.Address, "/")
	go keep(ctx, os.Stderr, "kubelet",
		"--config="+KubeletFile, "--kubeconfig="+KubeconfigFile, "--cert-dir=/run/kubelet",
		"--hostname-override="+s.Name, "--node-ip="+ip, "--v="+strconv.Itoa(s.Verbosity))
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return fmt.Errorf("agent: %w", err)
	}
}

// listening waits until somebody answers at a socket.
func listening(ctx context.Context, socket string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	return poll.Until(ctx, "containerd", func() (bool, error) {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			return false, nil //nolint:nilerr // not there yet
		}
		return true, conn.Close()
	})
}

// say tells the host what happens, with the guest's time since it was started.
func say(format string, args ...any) {
	uptime, _ := os.ReadFile("/proc/uptime")
	since, _, _ := strings.Cut(string(uptime), " ")
	fmt.Printf("[%6s s] %s\n", since, fmt.Sprintf(format, args...))
}
