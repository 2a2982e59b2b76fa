package cluster

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/braid-csi/braid/hack/cluster/agent"
	"github.com/braid-csi/braid/hack/poll"
)

// Node is the machine behind a Kubernetes node.
type Node struct {
	Name string
	dial dialer
}

// OpenNode is the node of a cluster another process has started, by the socket
// in that one's Env.
func OpenNode(socket string) *Node {
	return &Node{Name: socket, dial: func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
}

// Run runs a program on the node as root, apart from Kubernetes, and returns
// what it printed.
func (n *Node) Run(ctx context.Context, args ...string) (string, error) {
	var stdout bytes.Buffer
	err := n.Command(ctx, agent.Command{Args: args, Stdout: &stdout})
	return stdout.String(), err
}

// Command runs a program on the node. The end of ctx ends it; an exit status
// other than zero is an *agent.ExitError.
func (n *Node) Command(ctx context.Context, cmd agent.Command) error {
	conn, err := n.dial(ctx)
	if err != nil {
		return fmt.Errorf("node %s: %w", n.Name, err)
	}
	if err := agent.Run(ctx, conn, cmd); err != nil {
		return fmt.Errorf("node %s: %w", n.Name, err)
	}
	return nil
}

// Put copies a file of this machine to the node, where it may be executed.
func (n *Node) Put(ctx context.Context, file, to string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return n.Command(ctx, agent.Command{Args: []string{"install", "-D", "-m", "755", "/dev/stdin", to}, Stdin: f})
}

// Import gives the node's containerd the images of a tarball.
func (n *Node) Import(ctx context.Context, tarball string) error {
	f, err := os.Open(tarball)
	if err != nil {
		return err
	}
	defer f.Close()
	return n.Command(ctx, agent.Command{Args: []string{"ctr", "--namespace", "k8s.io", "images", "import", "-"}, Stdin: f})
}

// answers waits until the node has its agent and containerd.
func (n *Node) answers(ctx context.Context) error {
	return poll.Until(ctx, "node "+n.Name, func() (bool, error) {
		attempt, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		_, err := n.Run(attempt, "ctr", "version")
		return err == nil, nil
	})
}
